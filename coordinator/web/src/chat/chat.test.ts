import { expect, test } from "vitest";
import { continues, type Line, pieces, QUIET, read, said } from "./chat";

const line = (from: string, second = 0, own = false): Omit<Line, "id"> => ({
  from,
  name: from,
  own,
  text: "hi",
  at: new Date(second * 1_000),
});

test("what others say while the chat is closed is unread until it is opened", () => {
  let chat = said(QUIET, line("bob"), false);
  chat = said(chat, line("bob"), false);
  expect(chat.unread).toBe(2);
  expect(read(chat).unread).toBe(0);
  expect(said(QUIET, line("bob"), true).unread).toBe(0);
});

test("one's own words are never unread", () => {
  expect(said(QUIET, line("me", 0, true), false).unread).toBe(0);
});

test("the history has an end, and its lines keep their ids", () => {
  let chat = QUIET;
  for (let at = 0; at < 500; at++) chat = said(chat, line("bob"), true);
  expect(chat.lines).toHaveLength(200);
  expect(chat.lines.at(-1)?.id).toBe(500);
});

test("a person who goes on talking is named once", () => {
  const first = { ...line("bob", 0), id: 1 };
  expect(continues({ ...line("bob", 30), id: 2 }, first)).toBe(true);
  expect(continues({ ...line("bob", 300), id: 2 }, first)).toBe(false);
  expect(continues({ ...line("ann", 30), id: 2 }, first)).toBe(false);
  expect(continues(first, undefined)).toBe(false);
});

test("addresses in a text can be opened, without the full stop behind them", () => {
  expect(pieces("see https://example.org/a?b=1. bye")).toEqual([
    { text: "see ", link: false },
    { text: "https://example.org/a?b=1", link: true },
    { text: ". bye", link: false },
  ]);
  expect(pieces("javascript:alert(1)")).toEqual([{ text: "javascript:alert(1)", link: false }]);
});
