// What people's pages say to each other over data channels: JSON, parsed strictly, because anybody may send anything.

import type { Quality } from "../stats/quality";

export type Message =
  | { kind: "chat"; text: string }
  /** A moderator asks one person to mute. */
  | { kind: "mute"; peer: string }
  /** How well the sender's connection works. */
  | { kind: "quality"; quality: Quality };

/** Longest text of one chat message, in characters. */
export const CHAT_CHARS_MAX = 2_000;

/** Larger messages are not even parsed: the longest chat message fits four times. */
const BYTES_MAX = 32 * 1024;

const QUALITIES: readonly unknown[] = ["good", "fair", "poor"] satisfies Quality[];

export function encode(message: Message): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message));
}

/** `null` for everything that no page of ours would send. */
export function decode(bytes: Uint8Array): Message | null {
  if (bytes.length > BYTES_MAX) return null;
  const said = parse(bytes);
  if (said.kind === "chat" && typeof said.text === "string") return chat(said.text);
  if (said.kind === "mute" && typeof said.peer === "string") return { kind: "mute", peer: said.peer };
  if (said.kind === "quality" && QUALITIES.includes(said.quality))
    return { kind: "quality", quality: said.quality as Quality };
  return null;
}

function chat(text: string): Message | null {
  const trimmed = text.trim().slice(0, CHAT_CHARS_MAX);
  return trimmed === "" ? null : { kind: "chat", text: trimmed };
}

function parse(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
