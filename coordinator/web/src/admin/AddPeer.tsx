// A new peer; its token is shown once.

import { type FormEvent, useState } from "react";
import { Dialog } from "../ui/Dialog";
import type { Api } from "./api";
import type { Admission } from "./cluster";
import { Field } from "./Field";
import { metadata } from "./room-form";
import { TokenOnce } from "./TokenOnce";
import { useDeed } from "./useDeed";

interface Props {
  api: Api;
  room: string;
  onAdded: () => void;
  onClose: () => void;
}

export function AddPeer({ api, room, onAdded, onClose }: Props) {
  const [kind, setKind] = useState("webrtc");
  const [mode, setMode] = useState("auto");
  const [text, setText] = useState("");
  const [admission, setAdmission] = useState<Admission | null>(null);
  const deed = useDeed();
  const read = metadata(text);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const config = { type: kind, options: { metadata: read ?? {}, subscribeMode: mode } };
    if (await deed.run(async () => setAdmission(await api.addPeer(room, config)))) onAdded();
  };
  if (admission) {
    return (
      <Dialog title="The peer was added" onClose={onClose}>
        <TokenOnce token={admission.token} url={admission.peer_websocket_url} />
      </Dialog>
    );
  }
  return (
    <Dialog title="Add a peer" onClose={onClose}>
      <form className="form" onSubmit={(event) => void submit(event)}>
        <Field label="Kind">
          {(id) => (
            <select id={id} value={kind} onChange={({ target }) => setKind(target.value)}>
              <option value="webrtc">browser or mobile</option>
              <option value="agent">agent</option>
            </select>
          )}
        </Field>
        <Field label="Receives">
          {(id) => (
            <select id={id} value={mode} onChange={({ target }) => setMode(target.value)}>
              <option value="auto">everything</option>
              <option value="manual">what it is subscribed to</option>
            </select>
          )}
        </Field>
        <Field
          label="Metadata"
          hint={'A JSON object, {"name": "Ann"} for example'}
          wrong={read === null ? "This is no JSON object." : undefined}
        >
          {(id) => (
            <textarea
              id={id}
              className="code"
              rows={3}
              spellCheck={false}
              aria-invalid={read === null}
              value={text}
              onChange={({ target }) => setText(target.value)}
            />
          )}
        </Field>
        <p className="notice" role="alert">
          {deed.trouble}
        </p>
        <button type="submit" className="primary" disabled={deed.busy || read === null}>
          {deed.busy ? "Adding…" : "Add"}
        </button>
      </form>
    </Dialog>
  );
}
