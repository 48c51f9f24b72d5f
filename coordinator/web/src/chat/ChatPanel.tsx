// The conversation in writing.

import { type FormEvent, useEffect, useRef, useState } from "react";
import { CHAT_CHARS_MAX } from "../messages/message";
import { Panel } from "../room/Panel";
import { hueOf } from "../room/person";
import type { Conversation } from "../room/useConversation";
import { Icon } from "../ui/icons";
import { continues, type Line, pieces } from "./chat";
import "./chat.css";

interface Props {
  conversation: Conversation;
  close: () => void;
}

export function ChatPanel({ conversation, close }: Props) {
  const { lines } = conversation.chat;
  const end = useRef<HTMLLIElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: every new line scrolls
  useEffect(() => {
    end.current?.scrollIntoView({ block: "end" });
  }, [lines]);
  return (
    <Panel name="chat" title="Chat" close={close}>
      {lines.length === 0 && (
        <p className="nothing">Nobody has written anything. What you write is seen by those who are here now.</p>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a list that scrolls must be reachable by keys */}
      <ol className="lines" role="log" aria-label="Messages" tabIndex={0}>
        {lines.map((line, at) => (
          <Said key={line.id} line={line} named={!continues(line, lines[at - 1])} />
        ))}
        <li ref={end} aria-hidden="true" />
      </ol>
      <Writing ready={conversation.ready} say={conversation.say} />
    </Panel>
  );
}

function Said({ line, named }: { line: Line; named: boolean }) {
  return (
    <li className={line.own ? "said own" : "said"} style={{ "--hue": hueOf(line.from) } as object}>
      {named && (
        <p className="who">
          <b>{line.name}</b> <time dateTime={line.at.toISOString()}>{clock(line.at)}</time>
        </p>
      )}
      <p className="words">
        {pieces(line.text).map(({ text, link }, at) =>
          link ? (
            // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of a line never change
            <a key={at} href={text} target="_blank" rel="noreferrer noopener">
              {text}
            </a>
          ) : (
            text
          ),
        )}
      </p>
    </li>
  );
}

function Writing({ ready, say }: { ready: boolean; say: (text: string) => void }) {
  const [text, setText] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    field.current?.focus();
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!ready || text.trim() === "") return;
    say(text.trim());
    setText("");
  };
  return (
    <form className="writing" onSubmit={submit}>
      <input
        ref={field}
        aria-label="Message"
        placeholder={ready ? "Write to everyone" : "Connecting…"}
        value={text}
        maxLength={CHAT_CHARS_MAX}
        autoComplete="off"
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit" className="round" aria-label="Send" title="Send" disabled={!ready || text.trim() === ""}>
        <Icon name="send" />
      </button>
    </form>
  );
}

function clock(at: Date): string {
  return at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
