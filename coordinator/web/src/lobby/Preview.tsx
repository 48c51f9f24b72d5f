// How one looks, as in a mirror, and how one sounds.

import { DeviceButton } from "../devices/DeviceButton";
import { LevelMeter } from "../devices/LevelMeter";
import { explain } from "../devices/trouble";
import type { Devices } from "../devices/useDevices";
import { initials } from "../room/person";
import { useMediaElement } from "../ui/useMediaElement";

interface Props {
  devices: Devices;
  name: string;
}

export function Preview({ devices, name }: Props) {
  const { camera, microphone, troubles } = devices;
  const video = useMediaElement<HTMLVideoElement>(camera.track);
  return (
    <section className="preview" aria-label="Preview">
      <div className="mirror">
        <video ref={video} autoPlay playsInline muted hidden={!camera.on} aria-label="Your camera" />
        {!camera.on && (
          <div className="empty">
            <span className="initials" aria-hidden="true">
              {initials(name) || "?"}
            </span>
            <p>Your camera is off</p>
          </div>
        )}
        <div className="switches">
          <DeviceButton device="microphone" source={microphone} />
          <DeviceButton device="camera" source={camera} />
          <LevelMeter track={microphone.on ? microphone.track : null} />
        </div>
      </div>
      <p className="trouble" role="status">
        {troubles.size > 0 && `${explain(troubles)} You can join all the same.`}
      </p>
    </section>
  );
}
