import openWabt from 'wabt';

/** WebAssembly's text as bytes. @throws with the place of a mistake */
export async function compileWat(wat: string): Promise<Uint8Array> {
  const wabt = await openWabt();
  const parsed = wabt.parseWat('module.wat', wat, { simd: true });
  try {
    return parsed.toBinary({}).buffer;
  } finally {
    parsed.destroy();
  }
}
