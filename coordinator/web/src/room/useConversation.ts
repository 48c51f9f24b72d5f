// What arrives from other people's pages, and what it does: lines of the chat, marks of quality, a moderator's wish.

import type { FishjamClient } from "@fishjam-cloud/ts-client";
import { useCallback, useEffect, useRef, useState } from "react";
import { type Chat, QUIET, read, said } from "../chat/chat";
import type { Message } from "../messages/message";
import { useMessages } from "../messages/useMessages";
import type { Quality } from "../stats/quality";
import { notify } from "../ui/notices";
import type { Person } from "./person";

export interface Conversation {
  ready: boolean;
  chat: Chat;
  say: (text: string) => void;
  send: (message: Message) => void;
  qualities: ReadonlyMap<string, Quality>;
}

interface Context {
  client: FishjamClient;
  live: boolean;
  people: readonly Person[];
  chatOpen: boolean;
  mute: () => void;
}

export function useConversation(context: Context): Conversation {
  const [chat, setChat] = useState(QUIET);
  const [qualities, setQualities] = useState<ReadonlyMap<string, Quality>>(new Map());
  const latest = useRef(context);
  latest.current = context;

  const receive = useCallback((message: Message, source: string) => {
    const { people, chatOpen, mute } = latest.current;
    const sender = people.find(({ id, own }) => id === source && !own);
    if (!sender) return;
    if (message.kind === "quality") setQualities((before) => withQuality(before, people, source, message.quality));
    if (message.kind === "mute") obey(message.peer, sender, people, mute);
    if (message.kind !== "chat") return;
    const line = { from: source, name: sender.name, own: false, text: message.text, at: new Date() };
    setChat((before) => said(before, line, chatOpen));
    if (!chatOpen) notify(`${sender.name}: ${message.text}`);
  }, []);
  const { ready, send } = useMessages(context.client, context.live, receive);

  const { chatOpen } = context;
  useEffect(() => {
    if (chatOpen) setChat(read);
  }, [chatOpen]);

  const say = (text: string) => {
    const own = context.people.find((person) => person.own);
    send({ kind: "chat", text });
    setChat((before) => said(before, { from: own?.id ?? "", name: "You", own: true, text, at: new Date() }, true));
  };
  return { ready, chat, say, send, qualities };
}

/** Only who the server calls a moderator may mute, and only the one who is meant. */
function obey(target: string, sender: Person, people: readonly Person[], mute: () => void): void {
  const own = people.find((person) => person.own);
  if (!sender.moderator || own?.id !== target || own.muted) return;
  mute();
  notify(`${sender.name} muted you`);
}

/** Holds nothing about people who left. */
function withQuality(
  before: ReadonlyMap<string, Quality>,
  people: readonly Person[],
  source: string,
  quality: Quality,
): ReadonlyMap<string, Quality> {
  const here = people.flatMap(({ id }): [string, Quality][] => {
    const known = before.get(id);
    return known ? [[id, known]] : [];
  });
  return new Map([...here, [source, quality]]);
}
