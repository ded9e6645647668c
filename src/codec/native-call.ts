/** A C function as koffi offers it: direct, and on one of libuv's worker threads. */
export interface NativeFunction {
  (...args: unknown[]): unknown;
  async(...args: unknown[]): void;
}

/** A library that koffi has loaded. */
export interface NativeLibrary {
  func(prototype: string): unknown;
}

/** Calls on a worker thread. Buffers among the arguments stay referenced until the call has ended. */
export function callAsync(native: NativeFunction, ...args: unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    native.async(...args, (error: unknown, result: unknown) => {
      // koffi keeps only this callback: through it the buffers live until the worker has done with them.
      args.length = 0;
      if (error) reject(error);
      else resolve(result);
    });
  });
}

/** Small buffers would lie on the JavaScript heap, where the collector moves them while native code runs. */
export function offHeap(size: number): Buffer {
  return Buffer.from(new ArrayBuffer(size));
}
