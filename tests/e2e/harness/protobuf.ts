// As much of protobuf as the tests need to write frames that the client would never send, and to read one back.

/** A message of one length-delimited field: text, bytes, or a nested message. */
export function field(number: number, ...contents: (string | number[])[]): number[] {
  const body = contents.flatMap((content) =>
    typeof content === "string" ? [...new TextEncoder().encode(content)] : content,
  );
  return [(number << 3) | 2, ...varint(body.length), ...body];
}

/** The first length-delimited field of that number, as text. */
export function textField(message: number[], number: number): string | null {
  let at = 0;
  while (at < message.length) {
    const [key, afterKey] = readVarint(message, at);
    if ((key & 7) !== 2) return null;
    const [length, start] = readVarint(message, afterKey);
    if (key >> 3 === number) return new TextDecoder().decode(new Uint8Array(message.slice(start, start + length)));
    at = start + length;
  }
  return null;
}

/** Frames of the peer socket. */
export const frames = {
  auth: (token: string) => field(2, field(1, token), field(2, "web-0.25.1")),
  connect: (displayName = "raw") => field(5, field(1, field(1, JSON.stringify({ displayName })))),
  renegotiate: () => field(5, field(5)),
  offer: (sdp: string) => field(5, field(7, field(1, sdp))),
  candidate: (candidate: string) => field(5, field(6, field(1, candidate))),
};

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

function readVarint(bytes: number[], at: number): [number, number] {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++] ?? 0;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return [value, at];
  }
}
