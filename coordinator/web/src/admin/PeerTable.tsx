// The peers of a room, what they publish, and what can be done about them.

import { useState } from "react";
import { Dialog } from "../ui/Dialog";
import type { Api } from "./api";
import { Confirm } from "./Confirm";
import type { Peer } from "./cluster";
import { Field } from "./Field";
import { Marked } from "./Marked";
import { nameOf } from "./room-form";
import { TokenOnce } from "./TokenOnce";
import { useDeed } from "./useDeed";

interface Props {
  api: Api;
  room: string;
  peers: readonly Peer[];
  again: () => void;
}

export function PeerTable({ api, room, peers, again }: Props) {
  const [kicking, setKicking] = useState<Peer | null>(null);
  const [token, setToken] = useState<string | null>(null);
  const deed = useDeed();
  const renew = (peer: Peer) => void deed.run(async () => setToken(await api.renewToken(room, peer.id)));
  if (peers.length === 0) return <p className="empty">Nobody was added to this room yet.</p>;
  return (
    <>
      <p className="notice" role="alert">
        {deed.trouble}
      </p>
      <table className="list">
        <caption className="unseen">Peers of this room</caption>
        <thead>
          <tr>
            <th scope="col">Peer</th>
            <th scope="col">Status</th>
            <th scope="col">Tracks</th>
            <th scope="col">Receives</th>
            <th scope="col">Actions</th>
          </tr>
        </thead>
        <tbody>
          {peers.map((peer) => (
            <Line key={peer.id} peer={peer} onRenew={() => renew(peer)} onKick={() => setKicking(peer)} />
          ))}
        </tbody>
      </table>
      {kicking && <Kick api={api} room={room} peer={kicking} onClose={() => setKicking(null)} onDone={again} />}
      {token !== null && (
        <Dialog title="A new token" onClose={() => setToken(null)}>
          <TokenOnce token={token} />
        </Dialog>
      )}
    </>
  );
}

function Line({ peer, onRenew, onKick }: { peer: Peer; onRenew: () => void; onKick: () => void }) {
  const name = nameOf(peer);
  const called = name ?? peer.id;
  const isThere = peer.status === "connected";
  return (
    <tr>
      <th scope="row">
        {name && <span>{name} </span>}
        <span className={name ? "code soft small" : "code"}>{peer.id}</span>
        {peer.type !== "webrtc" && <span className="soft small"> {peer.type}</span>}
        <Metadata title={`Metadata of ${called}`} value={peer.metadata} />
      </th>
      <td data-label="Status">
        <Marked mark={isThere ? "fine" : "look"} word={isThere ? "Connected" : "Not connected"} detail="" />
      </td>
      <td data-label="Tracks">
        {peer.tracks.length === 0 && "none"}
        <ul className="tracks">
          {peer.tracks.map((track) => (
            <li key={track.id}>
              <span>{track.type}</span>
              <Metadata title={`Metadata of the ${track.type} track of ${called}`} value={track.metadata} />
            </li>
          ))}
        </ul>
      </td>
      <td data-label="Receives">{peer.subscribeMode === "manual" ? "what it is subscribed to" : "everything"}</td>
      <td data-label="Actions">
        <span className="buttons">
          <button type="button" className="small-button" aria-label={`New token for ${called}`} onClick={onRenew}>
            New token
          </button>
          <button type="button" className="small-button danger" aria-label={`Kick ${called}`} onClick={onKick}>
            Kick
          </button>
        </span>
      </td>
    </tr>
  );
}

function Metadata({ title, value }: { title: string; value: unknown }) {
  if (value === null || value === undefined) return null;
  return (
    <details className="metadata">
      <summary aria-label={title}>metadata</summary>
      <pre>{JSON.stringify(value, null, 1)}</pre>
    </details>
  );
}

interface KickProps {
  api: Api;
  room: string;
  peer: Peer;
  onClose: () => void;
  onDone: () => void;
}

function Kick({ api, room, peer, onClose, onDone }: KickProps) {
  const [reason, setReason] = useState("");
  return (
    <Confirm
      title={`Kick ${nameOf(peer) ?? peer.id}?`}
      action="Kick"
      act={() => api.kick(room, peer.id, reason.trim())}
      onDone={onDone}
      onClose={onClose}
    >
      <p>It is disconnected at once, and its token no longer lets it in.</p>
      <Field label="Reason" hint="Told to the peer; may stay empty">
        {(id) => <input id={id} maxLength={100} value={reason} onChange={({ target }) => setReason(target.value)} />}
      </Field>
    </Confirm>
  );
}
