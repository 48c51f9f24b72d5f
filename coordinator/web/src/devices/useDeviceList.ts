// The machine's cameras, microphones and speakers, kept up to date while things are plugged in and out.

import { useCallback, useEffect, useState } from "react";
import { present } from "./constraints";

export type Kind = MediaDeviceKind;

export interface Choice {
  id: string;
  label: string;
}

export interface DeviceList {
  of: (kind: Kind) => Choice[];
  /** Labels come with the permission, so somebody has to ask again after it was given. */
  refresh: () => Promise<readonly MediaDeviceInfo[]>;
}

const UNNAMED: Record<Kind, string> = { videoinput: "Camera", audioinput: "Microphone", audiooutput: "Speaker" };

export function useDeviceList(): DeviceList {
  const [devices, setDevices] = useState<readonly MediaDeviceInfo[]>([]);
  const refresh = useCallback(async () => {
    // Browsers hide `mediaDevices` on pages that came over plain HTTP from another machine.
    const found = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    present.clear();
    for (const { deviceId } of found) present.add(deviceId);
    setDevices(found);
    return found;
  }, []);
  useEffect(() => {
    const changed = () => void refresh();
    changed();
    navigator.mediaDevices?.addEventListener("devicechange", changed);
    return () => navigator.mediaDevices?.removeEventListener("devicechange", changed);
  }, [refresh]);
  const of = useCallback((kind: Kind) => choices(devices, kind), [devices]);
  return { of, refresh };
}

function choices(devices: readonly MediaDeviceInfo[], kind: Kind): Choice[] {
  const alike = devices.filter((device) => device.kind === kind);
  return alike.map(({ deviceId, label }, at) => ({ id: deviceId, label: label || `${UNNAMED[kind]} ${at + 1}` }));
}
