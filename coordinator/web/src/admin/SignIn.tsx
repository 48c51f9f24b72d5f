// The way in: the management token, tried once before it is kept.

import { type FormEvent, useId, useState } from "react";
import { ThemeSwitch } from "../app/ThemeSwitch";
import { Sail } from "../ui/Sail";
import { Api, type Failure } from "./api";

interface Props {
  /** Why somebody stands here again. */
  farewell: string;
  onSignIn: (token: string) => void;
}

export function SignIn({ farewell, onSignIn }: Props) {
  const field = useId();
  const [token, setToken] = useState("");
  const [trouble, setTrouble] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setTrouble("");
    try {
      await new Api(token.trim()).totals();
      onSignIn(token.trim());
    } catch (failure) {
      setTrouble((failure as Failure).message);
      setBusy(false);
    }
  };
  return (
    <main className="sign-in">
      <form onSubmit={(event) => void submit(event)}>
        <header>
          <Sail />
          <h1>Velella cluster</h1>
          <ThemeSwitch />
        </header>
        <p className="soft">{farewell || "For operators: workers, rooms and peers, and where each room lives."}</p>
        <label htmlFor={field}>Management token</label>
        <input
          id={field}
          type="password"
          autoComplete="off"
          spellCheck={false}
          required
          value={token}
          aria-invalid={trouble !== ""}
          aria-describedby={`${field}-trouble`}
          onChange={({ target }) => setToken(target.value)}
        />
        <p id={`${field}-trouble`} className="notice" role="alert">
          {trouble}
        </p>
        <button type="submit" className="primary" disabled={busy || token.trim() === ""}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
        <p className="soft small">The token stays in this tab and is forgotten when it closes.</p>
      </form>
    </main>
  );
}
