// The first page: a name for a room is all that is needed.

import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { inventRoom, roomName } from "../app/room-link";
import { ThemeSwitch } from "../app/ThemeSwitch";
import { Sail } from "../ui/Sail";
import { Sailor } from "./Sailor";
import "./landing.css";

const ROOM_LENGTH_MAX = 64;

export function Landing({ enter }: { enter: (room: string) => void }) {
  const [room, setRoom] = useState(inventRoom);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => {
    document.title = "Velella";
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const name = roomName(room);
    if (name) enter(name);
    else field.current?.focus();
  };
  return (
    <main className="landing">
      <header>
        <span className="brand">
          <Sail />
          Velella
        </span>
        <ThemeSwitch />
      </header>
      <section className="hero">
        <h1>
          Open a room, <br />
          send its link, <em>talk.</em>
        </h1>
        <p>Calls for small teams, in the browser. No account, nothing to install.</p>
        <form onSubmit={submit} noValidate>
          <label htmlFor={id}>Room</label>
          <div className="row">
            <input
              ref={field}
              id={id}
              value={room}
              maxLength={ROOM_LENGTH_MAX}
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              onChange={(event) => setRoom(event.target.value)}
            />
            <button type="submit" className="primary">
              Open room
            </button>
          </div>
          <p className="hint">Whoever has the link can come in. An empty room is forgotten after a minute.</p>
        </form>
      </section>
      <Sailor />
    </main>
  );
}
