// How old what is shown is, and what keeps it from being newer.

import { clock } from "../plot/clock";
import type { Polled } from "./usePolled";

type Props = Pick<Polled<unknown>, "at" | "failure">;

export function Freshness({ at, failure }: Props) {
  const time = at === null ? null : clock(at);
  return (
    <div className="freshness">
      <p role="alert" className="stale" hidden={failure === null}>
        {failure && `${failure.message} ${time ? `Shown is what was known at ${time}.` : ""} Trying again.`}
      </p>
      {failure === null && <p className="soft small">{time ? `Last updated ${time}` : "Asking the server…"}</p>}
    </div>
  );
}
