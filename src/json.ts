/** JSON that keeps 64-bit integers whole: beyond 2^53 they are read as bigint, and bigint is written as a number. */

const INTEGER = /^-?[0-9]+$/;

/** Parses JSON; an integer that a double cannot hold becomes a bigint. @throws SyntaxError */
export function parseJson(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
    const source = context?.source;
    return source !== undefined && INTEGER.test(source) ? BigInt(source) : value;
  });
}

/** Serializes to JSON with bigint as a plain number. @param indent blanks a level; none for one line */
export function formatJson(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_key, item: unknown) => (typeof item === 'bigint' ? rawJson(item) : item),
    indent,
  );
}

// JSON.rawJSON is in V8 since Node 22, but not in TypeScript's library yet.
function rawJson(value: bigint): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(value.toString());
}
