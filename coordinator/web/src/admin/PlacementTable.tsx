// Where a room lives, and what each worker scored when that was decided.

import type { Placement, Verdict } from "./cluster";
import { link } from "./route";
import { outcome, percent, why } from "./words";

export function PlacementTable({ placement }: { placement: Placement }) {
  const { worker, generation, incarnation, endpoints, candidates } = placement;
  return (
    <>
      <p>
        At <a href={link({ at: "worker", worker })}>{worker}</a>, generation {generation}. {why(placement)}
      </p>
      {candidates.length > 0 && (
        <table className="list">
          <caption>What each worker scored then. Lower is better; region comes before load, load before rooms.</caption>
          <thead>
            <tr>
              <th scope="col">Worker</th>
              <th scope="col">Outcome</th>
              <th scope="col">Region</th>
              <th scope="col">Load</th>
              <th scope="col">Rooms</th>
            </tr>
          </thead>
          <tbody>
            {candidates.map((candidate) => (
              <tr key={candidate.worker} aria-current={candidate.worker === worker || undefined}>
                <th scope="row">{candidate.worker}</th>
                <td data-label="Outcome">{outcome(candidate, worker)}</td>
                <Score verdict={candidate.verdict} />
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p className="small soft">
        Media goes to <span className="code">{endpoints.join(", ")}</span>, incarnation{" "}
        <span className="code">{incarnation}</span>.
      </p>
    </>
  );
}

function Score({ verdict }: { verdict: Verdict }) {
  if (verdict.type === "excluded") {
    return (
      <>
        <td data-label="Region">–</td>
        <td data-label="Load">–</td>
        <td data-label="Rooms">–</td>
      </>
    );
  }
  return (
    <>
      <td data-label="Region">{verdict.region_miss ? "another" : "as wanted"}</td>
      <td data-label="Load">{percent(verdict.load_permille)}</td>
      <td data-label="Rooms">{verdict.rooms}</td>
    </>
  );
}
