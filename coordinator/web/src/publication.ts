// Keeps what is published in step with what its person wants to send, one change at a time.
// One publication lives as long as one session: a reconnect starts anew, because the client never settles the promises
// of commands that were queued when the connection broke.

import type { FishjamClient, TrackMetadata } from "@fishjam-cloud/ts-client";
import { DEVICES, type Device } from "./devices";
import type { OwnMedia } from "./own-media";

/** The part of the client that publishes. */
type Publisher = Pick<FishjamClient, "addTrack" | "replaceTrack" | "updateTrackMetadata">;

interface Slot {
  trackId: string | null;
  sending: MediaStreamTrack | null;
}

export class Publication {
  private readonly slots: Record<Device, Slot> = {
    camera: { trackId: null, sending: null },
    microphone: { trackId: null, sending: null },
  };
  private readonly stopped = new AbortController();
  private behind = false;
  private working = false;

  private readonly client: Publisher;
  private readonly media: OwnMedia;

  constructor(client: Publisher, media: OwnMedia) {
    this.client = client;
    this.media = media;
    media.addEventListener("change", () => void this.catchUp(), { signal: this.stopped.signal });
    void this.catchUp();
  }

  stop(): void {
    this.stopped.abort();
  }

  private async catchUp(): Promise<void> {
    this.behind = true;
    if (this.working) return;
    this.working = true;
    while (this.behind && !this.stopped.signal.aborted) {
      this.behind = false;
      for (const device of DEVICES) await this.bring(device).catch((error) => this.failed(device, error));
    }
    this.working = false;
  }

  private async bring(device: Device): Promise<void> {
    const slot = this.slots[device];
    const wanted = this.media.track(device);
    if (wanted === slot.sending || this.stopped.signal.aborted) return;
    slot.sending = wanted;
    if (slot.trackId) {
      await this.client.replaceTrack(slot.trackId, wanted);
      this.client.updateTrackMetadata(slot.trackId, metadata(device, wanted === null));
    } else if (wanted) {
      slot.trackId = await this.client.addTrack(wanted, metadata(device, false));
    }
  }

  private failed(device: Device, error: unknown): void {
    // A broken connection fails every command; the session that follows it publishes again.
    if (!this.stopped.signal.aborted) console.warn(`publishing the ${device} failed`, error);
  }
}

function metadata(type: Device, paused: boolean): TrackMetadata {
  return { type, paused };
}
