// xlogrecord.h: ids of the data headers that may stand in a record without block references.
const ID_DATA_SHORT = 255;
const ID_DATA_LONG = 254;
const ID_ORIGIN = 253;
const ID_TOPLEVEL_XID = 252;

/** The data of a record without block references, which is the last part of its body; undefined for any other. */
export function mainData(body: Buffer): Buffer | undefined {
  for (let at = 0; at < body.length; ) {
    const id = body[at];
    if (id === ID_DATA_SHORT) return body.subarray(at + 2, at + 2 + (body[at + 1] ?? 0));
    if (id === ID_DATA_LONG) return body.subarray(at + 5, at + 5 + body.readUInt32LE(at + 1));
    if (id === ID_ORIGIN) at += 3;
    else if (id === ID_TOPLEVEL_XID) at += 5;
    else return undefined;
  }
  return undefined;
}
