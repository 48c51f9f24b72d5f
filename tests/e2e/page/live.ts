// Livestreams: the published functions, unmodified, and the WHIP client below them for what they do not offer.

import { WHIPClient } from "@binbat/whip-whep/whip";
import { publishLivestream, receiveLivestream } from "@fishjam-cloud/ts-client";
import { camera, drawn, microphone, type Picture } from "./sources";
import { connection, seen } from "./watch";

export interface Watched {
  state: string | undefined;
  connections: number;
  framesDecoded: number;
  frameWidth: number;
  audioEnergy: number;
}

let stop: () => Promise<void> = async () => {};
let client: WHIPClient | null = null;

/** What the published functions throw, or nothing. */
async function outcome(done: Promise<unknown>): Promise<string> {
  return done.then(
    () => "",
    (error) => String(error),
  );
}

export function stream(url: string, token: string, picture: Picture): Promise<string> {
  return outcome(
    media(picture).then(async (media) => {
      const { stopPublishing } = await publishLivestream(media, url, token);
      stop = stopPublishing;
    }),
  );
}

/** In three sizes. */
export async function streamSimulcast(url: string, token: string, picture: Picture): Promise<string> {
  seen.encodings = [
    { rid: "l", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
    { rid: "m", scaleResolutionDownBy: 2, maxBitrate: 500_000 },
    { rid: "h", scaleResolutionDownBy: 1, maxBitrate: 2_500_000 },
  ];
  return outcome(
    publishLivestream(new MediaStream([drawn(picture)]), url, token).then(({ stopPublishing }) => {
      stop = stopPublishing;
    }),
  );
}

/** By a client that can begin ICE anew. */
export function encode(url: string, token: string, picture: Picture): Promise<string> {
  return outcome(
    media(picture).then(async (media) => {
      const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
      for (const track of media.getTracks()) pc.addTransceiver(track, { direction: "sendonly" });
      client = new WHIPClient();
      stop = client.stop.bind(client);
      await client.publish(pc, url, token);
    }),
  );
}

/** The server's user names before and after. */
export async function restartIce(): Promise<[string, string]> {
  const ufrag = () => connection()?.remoteDescription?.sdp.match(/a=ice-ufrag:(.*)\r\n/)?.[1] ?? "";
  const before = ufrag();
  await client?.restart();
  return [before, ufrag()];
}

export function watch(url: string, token?: string): Promise<string> {
  return outcome(
    receiveLivestream(url, token).then((received) => {
      stop = received.stop;
      const element = document.createElement("video");
      element.autoplay = true;
      element.srcObject = received.stream;
      document.body.append(element);
    }),
  );
}

/** As the published functions end. */
export const end = () => stop();

export async function watched(): Promise<Watched> {
  const pc = connection();
  const report = [...(((await pc?.getStats())?.values() ?? []) as Iterable<Record<string, unknown>>)];
  const inbound = (kind: string) => report.find((stats) => stats.type === "inbound-rtp" && stats.kind === kind);
  const number = (value: unknown) => (typeof value === "number" ? value : 0);
  return {
    state: pc?.connectionState,
    connections: seen.connections.length,
    framesDecoded: number(inbound("video")?.framesDecoded),
    frameWidth: number(inbound("video")?.frameWidth),
    audioEnergy: number(inbound("audio")?.totalAudioEnergy),
  };
}

async function media(picture: Picture): Promise<MediaStream> {
  return new MediaStream([await camera(picture), await microphone()]);
}
