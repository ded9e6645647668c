/** What is used of WebAssembly. TypeScript's types of it come with the browser's, which this project has no use for. */
declare const WebAssembly: {
  Memory: new (size: { initial: number; maximum: number }) => WasmMemory;
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: object };
};

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

/** Bytes of a page of WebAssembly's memory. */
const PAGE = 65_536;

/**
 * Makes memory that code of WebAssembly can work in. It begins on a memory page, as no other that JavaScript
 * gets does, and bytes nobody has written to take no room.
 * @param most bytes it may be declared with in the code
 * @throws where there is no WebAssembly, or no address space for it
 */
export function makeWasmMemory(bytes: number, most = bytes): WasmMemory {
  return new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE), maximum: Math.ceil(most / PAGE) });
}

/** Compiles code and links it. @returns what it exports @throws on a processor that cannot run it */
export function instantiate(code: Uint8Array, imports: Record<string, object>): object {
  return new WebAssembly.Instance(new WebAssembly.Module(code), imports).exports;
}
