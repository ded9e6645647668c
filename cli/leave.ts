import module from 'node:module';

/**
 * Leaves the process at once, by _exit(2). process.exit may hang for ever: it waits for V8's threads, one of
 * which may be waiting for the main thread to collect garbage (github.com/nodejs/node/issues/54918). On a busy
 * machine that met one wal-push in twelve, and PostgreSQL's archiver with it. Everything written must have been
 * flushed. Without a native library, and under a profiler that writes at the end, process.exit has to do.
 */
export async function leave(code: number): Promise<never> {
  if (process.execArgv.length === 0) {
    try {
      module.flushCompileCache();
      const { default: koffi } = await import('koffi');
      koffi.load(null).func('void _exit(int code)')(code);
    } catch {
      // No prebuilt koffi for this platform.
    }
  }
  process.exit(code);
}
