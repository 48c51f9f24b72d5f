import { expect, test } from "vitest";
import { openEnvelope } from "./envelope";

const text = (value: string) => [...new TextEncoder().encode(value)];
const field = (number: number, content: number[]) => [(number << 3) | 2, ...length(content.length), ...content];
const length = (value: number) => (value < 128 ? [value] : [(value & 127) | 128, value >> 7]);

test("the envelope names its sender and holds the content", () => {
  const content = "x".repeat(300);
  const bytes = new Uint8Array([
    ...field(1, text("ann")),
    ...field(2, text("*")),
    ...field(3, field(1, text(content))),
  ]);
  const envelope = openEnvelope(bytes);
  expect(envelope?.source).toBe("ann");
  expect(new TextDecoder().decode(envelope?.content)).toBe(content);
});

test("bytes that are no envelope open to nothing", () => {
  const whole = [...field(1, text("ann")), ...field(3, field(1, text("hi")))];
  for (let end = 0; end < whole.length; end++) expect(openEnvelope(new Uint8Array(whole.slice(0, end)))).toBeNull();
  expect(openEnvelope(new Uint8Array([255, 255, 255, 255, 255, 255]))).toBeNull();
  expect(openEnvelope(new Uint8Array(field(1, text("ann"))))).toBeNull();
});

test("fields that a later server may add are skipped", () => {
  const bytes = new Uint8Array([9 << 3, 5, ...field(1, text("ann")), ...field(3, field(1, text("hi")))]);
  expect(openEnvelope(bytes)?.source).toBe("ann");
});
