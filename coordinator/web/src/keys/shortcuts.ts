// Keys in tables: what the help shows is what works.

export interface Shortcut<Action extends string> {
  /** In lower case; "space" for the space bar. */
  key: string;
  action: Action;
  words: string;
}

/** Of the room. */
export const SHORTCUTS = [
  { key: "m", action: "microphone", words: "Mute or unmute" },
  { key: "v", action: "camera", words: "Camera on or off" },
  { key: "s", action: "screen", words: "Share the screen or stop" },
  { key: "h", action: "hand", words: "Raise or lower your hand" },
  { key: "g", action: "layout", words: "Grid or speaker layout" },
  { key: "p", action: "people", words: "Show or hide the people" },
  { key: "c", action: "chat", words: "Show or hide the chat" },
  { key: "i", action: "stats", words: "Show or hide the connection" },
  { key: "l", action: "link", words: "Copy the link to this room" },
  { key: "?", action: "help", words: "Show these keys" },
] as const satisfies readonly Shortcut<string>[];

export type Action = (typeof SHORTCUTS)[number]["action"];

/** What a key press is, of all that an event knows. */
export interface Press {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  repeat: boolean;
  /** The focus is where people write. */
  writing: boolean;
}

export function actionOf<A extends string>(table: readonly Shortcut<A>[], press: Press): A | null {
  if (press.ctrlKey || press.metaKey || press.altKey || press.repeat || press.writing) return null;
  const key = press.key === " " ? "space" : press.key.toLowerCase();
  return table.find((shortcut) => shortcut.key === key)?.action ?? null;
}

export function keyOf(action: Action): string {
  return SHORTCUTS.find((shortcut) => shortcut.action === action)?.key ?? "";
}
