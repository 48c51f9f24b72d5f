// Before the call: how one looks and sounds, and who one is.

import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { ThemeSwitch } from "../app/ThemeSwitch";
import { DeviceChoice } from "../devices/DeviceChoice";
import type { Devices, Wishes } from "../devices/useDevices";
import { Sail } from "../ui/Sail";
import { useStored } from "../ui/useStored";
import { JoinRefused } from "../visit/join";
import { Preview } from "./Preview";
import "./lobby.css";

const NAME_LENGTH_MAX = 40;

interface Props {
  room: string;
  devices: Devices;
  wishes: Wishes;
  returning: boolean;
  enter: (name: string) => Promise<void>;
  home: () => void;
}

export function Lobby({ room, devices, wishes, returning, enter, home }: Props) {
  const [name, setName] = useStored("velella.name", "");
  const [notice, setNotice] = useState("");
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();

  const join = async () => {
    if (name.trim() === "") return field.current?.focus();
    setNotice("");
    setBusy(true);
    await enter(name.trim()).catch((error) => {
      setNotice(error instanceof JoinRefused ? error.message : "Something went wrong. Try again.");
      setBusy(false);
    });
  };
  useArrival(devices.start, wishes, returning ? join : null);
  // The name is all that is missing.
  const nameless = useRef(name === "");
  useEffect(() => {
    if (nameless.current) field.current?.focus();
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void join();
  };

  return (
    <main className="lobby">
      <header>
        <button type="button" className="brand" onClick={home}>
          <Sail />
          Velella
        </button>
        <ThemeSwitch />
      </header>
      <div className="entry">
        <Preview devices={devices} name={name} />
        <form onSubmit={submit} noValidate>
          <p className="over">You are about to join</p>
          <h1>{room}</h1>
          <label htmlFor={id}>Your name</label>
          <input
            ref={field}
            id={id}
            name="name"
            value={name}
            maxLength={NAME_LENGTH_MAX}
            placeholder="Ann"
            autoComplete="name"
            spellCheck={false}
            onChange={(event) => setName(event.target.value)}
          />
          <DeviceChoice devices={devices} />
          <button type="submit" className="primary" disabled={busy}>
            {busy ? "Joining…" : "Join"}
          </button>
          <p className="notice" role="alert">
            {notice}
          </p>
        </form>
      </div>
    </main>
  );
}

/** Opens the devices once, and then goes on to what comes next. */
function useArrival(start: Devices["start"], wishes: Wishes, next: (() => unknown) | null): void {
  const first = useRef({ start, wishes, next });
  useEffect(() => {
    const { start, wishes, next } = first.current;
    void start(wishes).then(() => next?.());
  }, []);
}
