// What this person wants to send: for each device whether it is on, its track, and its trouble.
// The lobby previews it, the call publishes it.

import { DEVICES, type Device, open, type Trouble } from "./devices";

interface Source {
  on: boolean;
  track: MediaStreamTrack | null;
  trouble: Trouble | null;
}

export class OwnMedia extends EventTarget {
  private readonly sources: Record<Device, Source> = {
    camera: { on: false, track: null, trouble: null },
    microphone: { on: false, track: null, trouble: null },
  };

  isOn(device: Device): boolean {
    return this.sources[device].on;
  }

  /** The track to send; `null` while the device is off. */
  track(device: Device): MediaStreamTrack | null {
    const source = this.sources[device];
    return source.on ? source.track : null;
  }

  /** The devices that did not open, and why. */
  troubles(): Map<Device, Trouble> {
    const found = new Map<Device, Trouble>();
    for (const device of DEVICES) {
      const { on, trouble } = this.sources[device];
      if (!on && trouble) found.set(device, trouble);
    }
    return found;
  }

  async setOn(device: Device, on: boolean): Promise<void> {
    const source = this.sources[device];
    source.on = on;
    this.changed();
    if (!on) this.turnOff(device);
    if (!on || source.track?.readyState === "live") return;
    const opened = await open(device);
    if ("trouble" in opened) {
      source.on = false;
      source.trouble = opened.trouble;
    } else {
      this.adopt(device, opened.track);
    }
    this.changed();
  }

  /** Gives the devices back. */
  close(): void {
    for (const source of Object.values(this.sources)) {
      source.on = false;
      source.track?.stop();
      source.track = null;
    }
    this.changed();
  }

  private adopt(device: Device, track: MediaStreamTrack): void {
    const source = this.sources[device];
    // It was switched off again, or opened twice, while the browser was asking.
    if (!source.on || source.track?.readyState === "live") {
      track.stop();
      return;
    }
    source.track = track;
    source.trouble = null;
    track.addEventListener("ended", () => {
      // Unplugged, or the permission was taken back.
      if (source.track === track) void this.setOn(device, false);
    });
  }

  private turnOff(device: Device): void {
    const source = this.sources[device];
    // A camera that is off must not shine its light; a microphone stays open so that the first word is not cut.
    if (device === "camera" || source.track?.readyState === "ended") {
      source.track?.stop();
      source.track = null;
    }
  }

  private changed(): void {
    this.dispatchEvent(new Event("change"));
  }
}
