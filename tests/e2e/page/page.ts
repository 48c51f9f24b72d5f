// The test page: the published client, unmodified, with handles for the tests. `Handles` is what `harness/peer.ts` calls.

import { FishjamClient, type FishjamTrackContext, type TrackMetadata, Variant } from "@fishjam-cloud/ts-client";
import * as live from "./live";
import * as raw from "./raw-socket";
import { remoteTracks } from "./remote";
import { camera, drawn, microphone, type Picture, screen, tone } from "./sources";
import { connection, seen } from "./watch";

export interface Happening {
  event: string;
  at: number;
  detail: unknown;
}

export interface SendingLine {
  kind: string;
  /** What the server has agreed to. */
  agreed: RTCRtpTransceiverDirection | null;
}

export type Rid = "l" | "m" | "h";
type Peers = { id: string; metadata?: { peer?: { displayName?: string } } }[];

const VARIANTS: Record<Rid, Variant> = { l: Variant.VARIANT_LOW, m: Variant.VARIANT_MEDIUM, h: Variant.VARIANT_HIGH };
const SIMULCAST: RTCRtpEncodingParameters[] = [
  { rid: "l", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: "m", scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: "h", scaleResolutionDownBy: 1, maxBitrate: 2_500_000 },
];

const client = new FishjamClient<{ displayName: string }>({ reconnect: { addTracksOnReconnect: true } });
const happenings: Happening[] = [];
const texts: { reliable: boolean; text: string }[] = [];
/** By track id, what is sent, to come back to after a mute. */
const sending = new Map<string, MediaStreamTrack>();
/** By track id, how loud a tone is. */
const gains = new Map<string, AudioParam>();

const handles = {
  raw,
  live,

  /** Whether the client got in. */
  connect(url: string, token: string, displayName: string): Promise<boolean> {
    return client.connect({ url, token, peerMetadata: { displayName } }).then(
      () => true,
      () => false,
    );
  },
  disconnect: () => client.disconnect(),

  publishCamera: async (picture: Picture) => publish(await camera(picture), "camera"),
  publishMicrophone: async () => publish(await microphone(), "microphone"),
  publishScreen: async (picture: Picture) => publish(await screen(picture), "screenShareVideo"),
  /** A tone, silent at first. */
  async publishTone(type: TrackMetadata["type"]): Promise<string> {
    const { track, gain } = tone();
    const id = await publish(track, type);
    gains.set(id, gain);
    return id;
  },
  sound(id: string, loudness: number): void {
    gains.get(id)?.setValueAtTime(loudness, 0);
  },
  publishDrawn: (picture: Picture) => publish(drawn(picture), "customVideo"),
  publishSimulcast: async (picture: Picture) => {
    seen.encodings = SIMULCAST;
    return publish(drawn(picture), "camera").finally(() => {
      seen.encodings = null;
    });
  },
  removeTrack: (id: string) => client.removeTrack(id),
  sentSize: (id: string) => sending.get(id)?.getSettings(),

  async mute(id: string, type: TrackMetadata["type"]): Promise<void> {
    await client.replaceTrack(id, null);
    client.updateTrackMetadata(id, { type, paused: true });
  },
  async unmute(id: string, type: TrackMetadata["type"]): Promise<void> {
    await client.replaceTrack(id, sending.get(id) ?? null);
    client.updateTrackMetadata(id, { type, paused: false });
  },
  async replace(id: string, picture: Picture): Promise<void> {
    const track = drawn(picture);
    await client.replaceTrack(id, track);
    sending.get(id)?.stop();
    sending.set(id, track);
  },
  target: (id: string, rid: Rid) => client.setTargetTrackEncoding(id, VARIANTS[rid]),

  async openChannels(): Promise<void> {
    client.subscribeData((data) => texts.push({ reliable: true, text: new TextDecoder().decode(data) }), {
      reliable: true,
    });
    client.subscribeData((data) => texts.push({ reliable: false, text: new TextDecoder().decode(data) }), {
      reliable: false,
    });
    await client.createDataChannels();
  },
  say: (text: string, reliable: boolean) => client.publishData(new TextEncoder().encode(text), { reliable }),
  texts: () => texts,
  rawMessages: () => seen.messages,

  sendingLines: (): SendingLine[] =>
    (connection()?.getTransceivers() ?? [])
      .filter(({ direction }) => direction === "sendonly")
      .map(({ receiver, currentDirection }) => ({ kind: receiver.track.kind, agreed: currentDirection })),

  remoteTracks: () => remoteTracks(client as unknown as FishjamClient),
  remotePeers: () =>
    (Object.values(client.getRemotePeers()) as Peers).map(({ id, metadata }) => ({
      id,
      name: metadata?.peer?.displayName,
    })),
  happenings: () => happenings,
  /** How many tracks were added so far, without those of certain endpoints. */
  addedTracks: (without: string[]) =>
    happenings.filter(
      ({ event, detail }) => event === "trackAdded" && !without.some((id) => `${detail}`.startsWith(id)),
    ).length,
  sockets: () => seen.sockets,
};

export type Handles = typeof handles;
Object.assign(window, { handles });

async function publish(track: MediaStreamTrack, type: TrackMetadata["type"]): Promise<string> {
  const id = await client.addTrack(track, { type, paused: false });
  sending.set(id, track);
  return id;
}

function note(event: string, detail: unknown): void {
  happenings.push({ event, at: Date.now(), detail });
}

seen.onSignal = (name) => note(`<- ${name}`, "");
window.addEventListener("error", ({ message }) => note("uncaught", message));
window.addEventListener("unhandledrejection", ({ reason }) => note("uncaught", String(reason)));

const plain = [
  "joined",
  "authSuccess",
  "authError",
  "joinError",
  "reconnectionStarted",
  "reconnected",
  "disconnected",
] as const;
for (const event of plain)
  client.on(event, (...[detail]: unknown[]) => note(event, typeof detail === "object" ? "" : detail));
client.on("reconnectionRetriesLimitReached", () => note("reconnectionRetriesLimitReached", ""));
client.on("connectionError", ({ message }) => note("connectionError", message));
client.on("socketClose", ({ code, reason }) => note("socketClose", { code, reason }));
client.on("peerJoined", ({ id }) => note("peerJoined", id));
client.on("peerLeft", ({ id }) => note("peerLeft", id));
client.on("trackRemoved", ({ trackId }) => note("trackRemoved", trackId));
client.on("trackUpdated", ({ trackId, metadata }) => note("trackUpdated", { trackId, paused: metadata?.paused }));
client.on("trackAdded", (context) => {
  note("trackAdded", context.trackId);
  context.on("voiceActivityChanged", ({ trackId, vadStatus }) => note("voice", { trackId, vadStatus }));
  context.on("encodingChanged", ({ trackId, encoding }) => note("encodingChanged", { trackId, encoding }));
});
client.on("trackReady", (context) => {
  note("trackReady", context.trackId);
  play(context);
});

/** Browsers decode and mix only what somebody plays. */
function play({ track }: FishjamTrackContext): void {
  if (!track) return;
  const element = document.createElement(track.kind === "video" ? "video" : "audio");
  element.autoplay = true;
  element.srcObject = new MediaStream([track]);
  document.body.append(element);
}
