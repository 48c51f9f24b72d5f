// What a working call is: everyone decodes and hears everyone else.

import type { Peer } from "./peer";
import { SMALL } from "./peer";

export interface Speaker {
  peer: Peer;
  camera: string;
  microphone: string;
}

/** Publishes for all at the same time. */
export function publishAll(peers: Peer[]): Promise<Speaker[]> {
  return Promise.all(peers.map(async (peer) => ({ peer, ...(await peer.publish()) })));
}

/** Waits until every one of them sees and hears every other, in the size that was sent and, if given, in this codec. */
export async function allConverse(speakers: Speaker[], codec?: string): Promise<void> {
  const pairs = speakers.flatMap((to) => speakers.filter((from) => from !== to).map((from) => ({ from, to })));
  await Promise.all(
    pairs.map(async ({ from, to }) => {
      const [video] = await Promise.all([to.peer.decodes(from.camera, SMALL), to.peer.hears(from.microphone)]);
      if (codec && video.codec !== codec) throw new Error(`${to.peer.name} got ${video.codec} instead of ${codec}`);
    }),
  );
}
