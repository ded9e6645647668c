type Cleanup = () => Promise<void> | void;

const cleanups: Cleanup[] = [];

/** Runs `cleanup` when the test file ends, failed or not, the latest first. */
export function atEnd(cleanup: Cleanup): void {
  cleanups.push(cleanup);
}

/** Runs what `atEnd` collected. Under vitest this happens by itself; a script calls it in `finally`. */
export async function cleanUp(): Promise<void> {
  const errors: unknown[] = [];
  for (let cleanup = cleanups.pop(); cleanup !== undefined; cleanup = cleanups.pop()) {
    try {
      await cleanup();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, 'cleaning up failed');
}

if (process.env.VITEST !== undefined) {
  const { afterAll } = await import('vitest');
  afterAll(cleanUp, 60_000);
}
