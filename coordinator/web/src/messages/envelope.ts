// The envelope around every message between people: who sent it and what. The published client hands out the content
// only; the name on the envelope, which the server writes, is what tells a moderator from somebody who plays one.
// Protobuf: `source` is field 1, `binary { data }` is field 3 with the content in field 1.

export interface Envelope {
  source: string;
  content: Uint8Array;
}

const SOURCE = 1;
const BINARY = 3;
const DATA = 1;

const VARINT = 0;
const LENGTH_DELIMITED = 2;
/** Field numbers and lengths of up to 28 bits; nothing longer travels in one message. */
const VARINT_BYTES_MAX = 4;

/** `null` for bytes that are no envelope. */
export function openEnvelope(bytes: Uint8Array): Envelope | null {
  const outer = fields(bytes);
  const source = outer?.get(SOURCE);
  const content = fields(outer?.get(BINARY) ?? new Uint8Array())?.get(DATA);
  if (!source || !content) return null;
  return { source: new TextDecoder().decode(source), content };
}

/** The last length-delimited field of each number; `null` when the bytes end too early or hold anything unexpected. */
function fields(bytes: Uint8Array): Map<number, Uint8Array> | null {
  const found = new Map<number, Uint8Array>();
  let at = 0;
  const varint = (): number | null => {
    let value = 0;
    for (let read = 0; read < VARINT_BYTES_MAX; read++) {
      const byte = bytes[at++];
      if (byte === undefined) return null;
      value |= (byte & 0x7f) << (7 * read);
      if (byte < 0x80) return value;
    }
    return null;
  };
  while (at < bytes.length) {
    const tag = varint();
    const value = varint();
    if (tag === null || value === null) return null;
    if ((tag & 7) === VARINT) continue;
    if ((tag & 7) !== LENGTH_DELIMITED || at + value > bytes.length) return null;
    found.set(tag >> 3, bytes.subarray(at, at + value));
    at += value;
  }
  return found;
}
