// All rooms, a page at a time, by the beginning of their ids and by worker.

import { useCallback, useId, useState } from "react";
import type { Api } from "./api";
import { CreateRoom } from "./CreateRoom";
import type { RoomLine } from "./cluster";
import { Freshness } from "./Freshness";
import { LIVE_MS } from "./pace";
import { go, link } from "./route";
import { usePolled } from "./usePolled";

/** As many as fit on a screen or two. */
const PAGE = 25;

export function RoomsView({ api, worker }: { api: Api; worker: string }) {
  const [prefix, setPrefix] = useState("");
  /** The last rooms of the pages before this one. */
  const [before, setBefore] = useState<readonly string[]>([]);
  const [creating, setCreating] = useState(false);
  const after = before.at(-1) ?? "";
  const list = useCallback(
    (signal: AbortSignal) => api.rooms({ prefix, worker, after }, PAGE, signal),
    [api, prefix, worker, after],
  );
  const page = usePolled(list, LIVE_MS);
  const workers = usePolled(api.workers, LIVE_MS);
  const filter = (text: string) => {
    setBefore([]);
    setPrefix(text.trim());
  };
  const rooms = page.value?.rooms ?? [];
  const last = rooms.at(-1)?.room;
  return (
    <>
      <div className="view-head">
        <h1>Rooms</h1>
        <Freshness {...page} />
      </div>
      <Filters
        prefix={prefix}
        onPrefix={filter}
        worker={worker}
        workers={(workers.value ?? []).map(({ worker }) => worker)}
        onCreate={() => setCreating(true)}
      />
      {page.value && rooms.length === 0 && (
        <p className="empty">{prefix || worker ? "No room matches." : "There is no room yet."}</p>
      )}
      {rooms.length > 0 && <RoomTable rooms={rooms} />}
      <nav className="pager" aria-label="Pages of rooms">
        <button
          type="button"
          className="small-button"
          disabled={before.length === 0}
          onClick={() => setBefore(before.slice(0, -1))}
        >
          Previous
        </button>
        <span className="soft small" role="status">
          Page {before.length + 1}
        </span>
        <button
          type="button"
          className="small-button"
          disabled={!page.value?.more}
          onClick={() => last && setBefore([...before, last])}
        >
          Next
        </button>
      </nav>
      {creating && (
        <CreateRoom api={api} onClose={() => setCreating(false)} onCreated={(room) => go({ at: "room", room })} />
      )}
    </>
  );
}

interface FiltersProps {
  prefix: string;
  onPrefix: (text: string) => void;
  worker: string;
  workers: readonly string[];
  onCreate: () => void;
}

function Filters({ prefix, onPrefix, worker, workers, onCreate }: FiltersProps) {
  const id = useId();
  const known = worker && !workers.includes(worker) ? [worker, ...workers] : workers;
  return (
    <div className="filters">
      <div>
        <label htmlFor={`${id}-prefix`}>Room id begins with</label>
        <input
          id={`${id}-prefix`}
          type="search"
          spellCheck={false}
          value={prefix}
          onChange={({ target }) => onPrefix(target.value)}
        />
      </div>
      <div>
        <label htmlFor={`${id}-worker`}>Worker</label>
        <select id={`${id}-worker`} value={worker} onChange={({ target }) => go({ at: "rooms", worker: target.value })}>
          <option value="">All workers</option>
          {known.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </div>
      <button type="button" className="primary" onClick={onCreate}>
        Create a room
      </button>
    </div>
  );
}

function RoomTable({ rooms }: { rooms: readonly RoomLine[] }) {
  return (
    <table className="list">
      <caption className="unseen">Rooms, in the order of their ids</caption>
      <thead>
        <tr>
          <th scope="col">Room</th>
          <th scope="col">Type</th>
          <th scope="col">Codec</th>
          <th scope="col">Peers connected</th>
          <th scope="col">Tracks</th>
          <th scope="col">Worker</th>
          <th scope="col">Generation</th>
        </tr>
      </thead>
      <tbody>
        {rooms.map((room) => (
          <tr key={room.room}>
            <th scope="row">
              <a className="code" href={link({ at: "room", room: room.room })}>
                {room.room}
              </a>
            </th>
            <td data-label="Type">{room.room_type.replaceAll("_", " ")}</td>
            <td data-label="Codec">{room.video_codec.toUpperCase()}</td>
            <td data-label="Peers connected">
              {room.peers_connected} of {room.peers}
            </td>
            <td data-label="Tracks">{room.tracks}</td>
            <td data-label="Worker">
              <a href={link({ at: "worker", worker: room.worker })}>{room.worker}</a>
            </td>
            <td data-label="Generation">{room.generation}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
