// Which camera, microphone and speaker.

import { useId } from "react";
import { Icon, type IconName } from "../ui/icons";
import type { Choice } from "./useDeviceList";
import type { Devices } from "./useDevices";

export function DeviceChoice({ devices }: { devices: Devices }) {
  const { camera, microphone, speaker } = devices;
  return (
    <div className="choices">
      <Select label="Camera" icon="camera" {...camera} choose={(id) => void camera.choose(id)} />
      <Select label="Microphone" icon="microphone" {...microphone} choose={(id) => void microphone.choose(id)} />
      <Select label="Speaker" icon="speaker" {...speaker} />
    </div>
  );
}

interface SelectProps {
  label: string;
  icon: IconName;
  choices: Choice[];
  chosen: string;
  choose: (id: string) => void;
}

function Select({ label, icon, choices, chosen, choose }: SelectProps) {
  const id = useId();
  if (choices.length === 0) return null;
  return (
    <div className="choice">
      <Icon name={icon} />
      <label className="unseen" htmlFor={id}>
        {label}
      </label>
      <select id={id} value={chosen} onChange={(event) => choose(event.target.value)}>
        {choices.map(({ id: value, label: name }) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}
