// The conversation in writing: what was said, bounded, and how much of it nobody has looked at yet.

export interface Line {
  id: number;
  /** The sender's peer id, and the name at that time: people leave, their words stay. */
  from: string;
  name: string;
  own: boolean;
  text: string;
  at: Date;
}

export interface Chat {
  lines: readonly Line[];
  unread: number;
  nextId: number;
}

/** Older lines go: a day of talk must not fill the browser. */
const LINES_MAX = 200;

export const QUIET: Chat = { lines: [], unread: 0, nextId: 1 };

/** `seen`: whether the chat is open in front of its person. */
export function said(chat: Chat, line: Omit<Line, "id">, seen: boolean): Chat {
  return {
    lines: [...chat.lines, { ...line, id: chat.nextId }].slice(-LINES_MAX),
    unread: seen || line.own ? chat.unread : chat.unread + 1,
    nextId: chat.nextId + 1,
  };
}

export function read(chat: Chat): Chat {
  return chat.unread === 0 ? chat : { ...chat, unread: 0 };
}

/** Whether a line goes on where the one before it left off: then its name is not repeated. */
export function continues(line: Line, before: Line | undefined): boolean {
  return before?.from === line.from && line.at.getTime() - before.at.getTime() < 120_000;
}

/** A text in pieces: what looks like an address of the web can be opened. */
export function pieces(text: string): { text: string; link: boolean }[] {
  const parts = text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]])/u);
  return parts.map((part, at) => ({ text: part, link: at % 2 === 1 })).filter((piece) => piece.text !== "");
}
