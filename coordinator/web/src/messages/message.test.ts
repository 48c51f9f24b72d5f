import { expect, test } from "vitest";
import { CHAT_CHARS_MAX, decode, encode, type Message } from "./message";

const bytes = (text: string) => new TextEncoder().encode(text);

test("what one page says another one understands", () => {
  const messages: Message[] = [
    { kind: "chat", text: "hello 🪼" },
    { kind: "mute", peer: "p" },
    { kind: "quality", quality: "fair" },
  ];
  for (const message of messages) expect(decode(encode(message))).toEqual(message);
});

test("anything else is nothing", () => {
  const strange = [
    "",
    "null",
    "[]",
    "7",
    "{",
    '{"kind":"chat"}',
    '{"kind":"chat","text":7}',
    '{"kind":"chat","text":" "}',
  ];
  for (const text of [...strange, '{"kind":"mute"}', '{"kind":"quality","quality":"odd"}', '{"kind":"kick"}'])
    expect(decode(bytes(text))).toBeNull();
  expect(decode(bytes(`{"kind":"chat","text":"${"x".repeat(40_000)}"}`))).toBeNull();
});

test("a text that is too long is cut", () => {
  const long = decode(encode({ kind: "chat", text: "x".repeat(CHAT_CHARS_MAX + 5) }));
  expect(long).toEqual({ kind: "chat", text: "x".repeat(CHAT_CHARS_MAX) });
});
