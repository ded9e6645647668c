/** Two calls of the C library that Node does not have, through koffi. */
export interface Native {
  /** Takes an exclusive lock on an open file or directory without waiting. @returns 0, or errno: EWOULDBLOCK when another has it */
  lock(fd: number): number;
  /** Sets a file's time of change to the nanosecond (Node's futimes loses digits). @returns false when it failed */
  setModified(fd: number, nanoseconds: bigint): boolean;
}

/** flock(2): LOCK_EX | LOCK_NB. The same on Linux, macOS and the BSDs. */
const EXCLUSIVE_NOW = 2 | 4;
const BILLION = 1_000_000_000n;

let loading: Promise<Native | undefined> | undefined;

/** @returns undefined where koffi does not run */
export function loadNative(): Promise<Native | undefined> {
  loading ??= load().catch(() => undefined);
  return loading;
}

async function load(): Promise<Native> {
  const { default: koffi } = await import('koffi');
  // The C library is already there, as part of Node.
  const library = koffi.load(null);
  const flock = library.func('int flock(int fd, int operation)');
  const futimens = library.func('int futimens(int fd, void *times)');
  return {
    lock: (fd) => (flock(fd, EXCLUSIVE_NOW) === 0 ? 0 : koffi.errno()),
    setModified(fd, nanoseconds) {
      // struct timespec[2], access and change: long seconds, long nanoseconds.
      const times = Buffer.from(new ArrayBuffer(32));
      for (const at of [0, 16]) {
        times.writeBigInt64LE(nanoseconds / BILLION, at);
        times.writeBigInt64LE(nanoseconds % BILLION, at + 8);
      }
      return futimens(fd, times) === 0;
    },
  };
}
