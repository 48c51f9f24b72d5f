// How the broadcast comes, in numbers, and the choice between its renditions.

import { useId } from "react";
import { factsOf } from "./sample";
import type { Broadcast } from "./useBroadcast";

export function Facts({ broadcast }: { broadcast: Broadcast }) {
  return (
    <section className="watch-facts" aria-label="How it comes">
      <dl>
        {factsOf(broadcast.look?.sample ?? null).map(({ name, value }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Choice broadcast={broadcast} />
    </section>
  );
}

const AUTOMATIC = "auto";

function Choice({ broadcast: { look, chosen, choose } }: { broadcast: Broadcast }) {
  const id = useId();
  const renditions = look?.renditions ?? [];
  const shown = renditions.find(({ index }) => index === look?.shown)?.name;
  return (
    <div className="choice-of-rendition">
      <label htmlFor={id}>Rendition</label>
      <select
        id={id}
        value={chosen ?? AUTOMATIC}
        disabled={renditions.length === 0}
        onChange={({ target }) => choose(target.value === AUTOMATIC ? null : Number(target.value))}
      >
        <option value={AUTOMATIC}>{shown && chosen === null ? `Auto (${shown})` : "Auto"}</option>
        {renditions.map(({ index, name }) => (
          <option key={index} value={index}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}
