// Keeps what others are told about one's camera and microphone true. The client says "on" after every reconnect, also for
// a muted microphone, and goes on saying it when a device is unplugged.

import { usePeers } from "@fishjam-cloud/react-client";
import type { FishjamClient } from "@fishjam-cloud/ts-client";
import { useEffect } from "react";

export function useHonestTracks(client: FishjamClient, live: boolean, cameraOn: boolean, microphoneOn: boolean): void {
  const { localPeer } = usePeers();
  const camera = claiming(localPeer?.cameraTrack);
  const microphone = claiming(localPeer?.microphoneTrack);
  useEffect(() => {
    if (!live || cameraOn || !camera) return;
    return pause(client, camera, "camera");
  }, [client, live, cameraOn, camera]);
  useEffect(() => {
    if (!live || microphoneOn || !microphone) return;
    return pause(client, microphone, "microphone");
  }, [client, live, microphoneOn, microphone]);
}

/** The id of a track that is said to be on. */
function claiming(track: { trackId: string; metadata?: { paused?: boolean } } | undefined): string | null {
  return track && track.metadata?.paused !== true ? track.trackId : null;
}

/** Returns how to call it off: who switches the device on meanwhile must not be told off afterwards. */
function pause(client: FishjamClient, trackId: string, type: "camera" | "microphone"): () => void {
  let off = true;
  client
    .replaceTrack(trackId, null)
    .then(() => (off ? client.updateTrackMetadata(trackId, { type, paused: true }) : undefined))
    // A connection that breaks meanwhile fails it; the next session starts anew.
    .catch(() => undefined);
  return () => {
    off = false;
  };
}
