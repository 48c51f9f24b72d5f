// The room in the page's address: `/r/<room>` joins it, so a link is an invitation; `/watch/<id>` shows its broadcast.

const ROOM_LENGTH_MAX = 64;
const PREFIX = "/r/";
const WATCH = "/watch/";
const ADJECTIVES = ["blue", "calm", "clear", "drifting", "gentle", "quiet", "silver", "still", "sunny", "wide"];
const NOUNS = ["bay", "breeze", "coast", "harbour", "island", "lagoon", "reef", "sail", "tide", "wave"];

/** The room that an address names; `null` when it names none. */
export function roomOfPath(path: string): string | null {
  if (!path.startsWith(PREFIX)) return null;
  return roomName(decode(path.slice(PREFIX.length)));
}

/** The id of the room whose broadcast an address shows; `null` when it shows none. */
export function broadcastOfPath(path: string): string | null {
  if (!path.startsWith(WATCH)) return null;
  return decode(path.slice(WATCH.length)).replace(/\/+$/, "") || null;
}

export function pathOfRoom(room: string): string {
  return PREFIX + encodeURIComponent(room);
}

/** What someone typed as a name that every room may have; `null` when nothing is left of it. */
export function roomName(typed: string): string | null {
  const name = typed
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_-]+/gu, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, ROOM_LENGTH_MAX);
  return name === "" ? null : name;
}

/** A name that is easy to say, for people who want just any room. */
export function inventRoom(random: () => number = Math.random): string {
  const pick = (words: string[]) => words[Math.floor(random() * words.length)] ?? "sea";
  return `${pick(ADJECTIVES)}-${pick(NOUNS)}-${Math.floor(random() * 900 + 100)}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
