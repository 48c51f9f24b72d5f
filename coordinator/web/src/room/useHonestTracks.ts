// Keeps what others are told about one's camera and microphone true. The client says "on" after every reconnect, also for
// a muted microphone, and goes on saying it when a device is unplugged.

import { usePeers } from "@fishjam-cloud/react-client";
import type { FishjamClient } from "@fishjam-cloud/ts-client";
import { useEffect } from "react";
import type { Device } from "../devices/trouble";

export function useHonestTracks(client: FishjamClient, live: boolean, cameraOn: boolean, microphoneOn: boolean): void {
  const { localPeer } = usePeers();
  useHonestTrack(client, live, "camera", localPeer?.cameraTrack, cameraOn);
  useHonestTrack(client, live, "microphone", localPeer?.microphoneTrack, microphoneOn);
}

interface Published {
  trackId: string;
  metadata?: { paused?: boolean };
}

function useHonestTrack(client: FishjamClient, live: boolean, type: Device, track: Published | undefined, on: boolean) {
  const trackId = track?.trackId;
  const claimsOn = track?.metadata?.paused !== true;
  useEffect(() => {
    if (!live || !trackId || claimsOn === on) return;
    // Words are enough: a device that is off is silent. Taking its track away as well goes wrong while an offer is being
    // made: the client then forgets to say in it which line the track is on.
    client.updateTrackMetadata(trackId, { type, paused: !on });
  }, [client, live, type, trackId, claimsOn, on]);
}
