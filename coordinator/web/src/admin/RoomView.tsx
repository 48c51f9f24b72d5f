// One room: who is in it, where it lives and why, and what can be done to it.

import { useCallback, useState } from "react";
import { AddPeer } from "./AddPeer";
import type { Api } from "./api";
import { Confirm } from "./Confirm";
import type { Placement, Room } from "./cluster";
import { Freshness } from "./Freshness";
import { PeerTable } from "./PeerTable";
import { PlacementTable } from "./PlacementTable";
import { LIVE_MS } from "./pace";
import { go } from "./route";
import { usePolled } from "./usePolled";
import { counted } from "./words";

type Open = "add" | "delete" | null;

export function RoomView({ api, room }: { api: Api; room: string }) {
  const [open, setOpen] = useState<Open>(null);
  const load = useCallback(
    async (signal: AbortSignal) => {
      const [shown, placement] = await Promise.all([api.room(room, signal), api.placement(room, signal)]);
      return { shown, placement };
    },
    [api, room],
  );
  const live = usePolled(load, LIVE_MS);
  const close = () => setOpen(null);
  return (
    <>
      <div className="view-head">
        <h1>
          Room <span className="code">{room}</span>
        </h1>
        <Freshness {...live} />
      </div>
      {live.value && (
        <Standing
          {...live.value}
          api={api}
          onAdd={() => setOpen("add")}
          onDelete={() => setOpen("delete")}
          again={live.again}
        />
      )}
      {open === "add" && <AddPeer api={api} room={room} onAdded={live.again} onClose={close} />}
      {open === "delete" && live.value && (
        <Confirm
          title="Delete this room?"
          action="Delete the room"
          onClose={close}
          act={() => api.deleteRoom(room)}
          onDone={() => go({ at: "rooms", worker: "" })}
        >
          <p>{fate(live.value.shown)}</p>
        </Confirm>
      )}
    </>
  );
}

interface StandingProps {
  shown: Room;
  placement: Placement;
  api: Api;
  onAdd: () => void;
  onDelete: () => void;
  again: () => void;
}

function Standing({ shown, placement, api, onAdd, onDelete, again }: StandingProps) {
  return (
    <>
      <div className="actions">
        <button type="button" className="primary" onClick={onAdd}>
          Add a peer
        </button>
        <button type="button" className="secondary danger" onClick={onDelete}>
          Delete the room
        </button>
      </div>
      <section aria-labelledby="peers">
        <h2 id="peers">{counted(shown.peers.length, "peer")}</h2>
        <PeerTable api={api} room={shown.id} peers={shown.peers} again={again} />
      </section>
      <section aria-labelledby="placement">
        <h2 id="placement">Where it lives</h2>
        <PlacementTable placement={placement} />
      </section>
      <section aria-labelledby="config">
        <h2 id="config">As it was asked for</h2>
        <dl className="facts">
          {Object.entries(shown.config).map(([key, value]) => (
            <div key={key}>
              <dt>{key}</dt>
              <dd className="code">{value === null ? "–" : String(value)}</dd>
            </div>
          ))}
        </dl>
      </section>
    </>
  );
}

function fate({ peers }: Room): string {
  const connected = peers.filter(({ status }) => status === "connected").length;
  if (connected === 0) return "Nobody is connected. Its peers and their tokens go with it.";
  return `${counted(connected, "connected peer")} will be put out at once. All its peers and their tokens go with it.`;
}
