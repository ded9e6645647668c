/**
 * Reads a source one chunk ahead of its consumer, so that both work at the same time. A chunk of the source must
 * stay as it is until the next but one is asked for; here it is valid until the next one is.
 */
export async function* readAhead(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const iterator = source[Symbol.asyncIterator]();
  const ask = () => {
    const asked = iterator.next();
    // It is awaited in its turn; until then nobody listens.
    asked.catch(() => undefined);
    return asked;
  };
  let next = ask();
  try {
    for (;;) {
      const chunk = await next;
      if (chunk.done === true) return;
      next = ask();
      yield chunk.value;
    }
  } finally {
    await iterator.return?.();
  }
}
