// A new room with everything that the management API lets one choose.

import { type FormEvent, useState } from "react";
import { Dialog } from "../ui/Dialog";
import type { Api } from "./api";
import { Check, Field } from "./Field";
import { EMPTY_ROOM, type RoomForm, roomConfig } from "./room-form";
import { useDeed } from "./useDeed";

interface Props {
  api: Api;
  onClose: () => void;
  onCreated: (room: string) => void;
}

const ROOM_TYPES = ["conference", "audio_only", "livestream", "audio_only_livestream"];
const VIDEO_CODECS = ["h264", "vp8", "vp9", "av1"];

type TextKey = { [key in keyof RoomForm]: RoomForm[key] extends string ? key : never }[keyof RoomForm];

export function CreateRoom({ api, onClose, onCreated }: Props) {
  const [form, setForm] = useState(EMPTY_ROOM);
  const deed = useDeed();
  const set = (change: Partial<RoomForm>) => setForm({ ...form, ...change });
  const text = (key: TextKey, type = "text") => {
    const field = {
      value: form[key],
      onChange: ({ target }: { target: { value: string } }) => set({ [key]: target.value }),
    };
    return (id: string) => <input id={id} type={type} min={type === "number" ? 0 : undefined} {...field} />;
  };
  const choice = (key: TextKey, options: readonly string[]) => (id: string) => (
    <select id={id} value={form[key]} onChange={({ target }) => set({ [key]: target.value })}>
      {options.map((option) => (
        <option key={option} value={option}>
          {option.replaceAll("_", " ")}
        </option>
      ))}
    </select>
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void deed.run(async () => onCreated((await api.createRoom(roomConfig(form))).id));
  };
  return (
    <Dialog title="Create a room" onClose={onClose}>
      <form className="form" onSubmit={submit}>
        <Field label="Room type">{choice("roomType", ROOM_TYPES)}</Field>
        <Field label="Video codec">{choice("videoCodec", VIDEO_CODECS)}</Field>
        <Field label="Most peers" hint="Empty for no limit">
          {text("maxPeers", "number")}
        </Field>
        <Check label="Public: anybody may view" checked={form.public} onChange={(on) => set({ public: on })} />
        <details>
          <summary>More</summary>
          <Field label="Room id" hint="Empty for a new one">
            {text("roomId")}
          </Field>
          <Field label="Webhook URL">{text("webhookUrl", "url")}</Field>
          <Check
            label="Several notifications in one webhook call"
            checked={form.batchWebhookNotifications}
            onChange={(on) => set({ batchWebhookNotifications: on })}
          />
          <Field label="Remove the room when nobody is connected for" hint="Seconds; empty for never">
            {text("peerlessPurgeTimeout", "number")}
          </Field>
          <Field label="Remove a peer that is disconnected for" hint="Seconds; empty for never">
            {text("peerDisconnectedTimeout", "number")}
          </Field>
        </details>
        <p className="notice" role="alert">
          {deed.trouble}
        </p>
        <button type="submit" className="primary" disabled={deed.busy}>
          {deed.busy ? "Creating…" : "Create"}
        </button>
      </form>
    </Dialog>
  );
}
