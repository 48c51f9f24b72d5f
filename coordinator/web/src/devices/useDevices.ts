// One's own camera, microphone and speaker: whether they are on, which ones, and what is wrong with them.

import { useCamera, useInitializeDevices, useMicrophone, usePeers } from "@fishjam-cloud/react-client";
import type { FishjamClient } from "@fishjam-cloud/ts-client";
import { useCallback, useEffect, useRef, useState } from "react";
import { useStored } from "../ui/useStored";
import { settled } from "./settled";
import { DEVICES, type Device, type Trouble, troubleOf } from "./trouble";
import { type Choice, type DeviceList, useDeviceList } from "./useDeviceList";

export interface Source {
  on: boolean;
  track: MediaStreamTrack | null;
  choices: Choice[];
  chosen: string;
  toggle: () => Promise<void>;
  choose: (id: string) => Promise<void>;
}

export type Wishes = Record<Device, boolean>;

export interface Devices extends Record<Device, Source> {
  speaker: { choices: Choice[]; chosen: string; choose: (id: string) => void };
  troubles: ReadonlyMap<Device, Trouble>;
  /** Opens what is wished for, with one question to the person for both. */
  start: (wishes: Wishes) => Promise<void>;
  stop: () => void;
}

type Failure = { name: string } | null | undefined;
type Tell = (device: Device, error: Failure) => Promise<void>;

export function useDevices(client: FishjamClient): Devices {
  const list = useDeviceList();
  const [troubles, setTroubles] = useState<ReadonlyMap<Device, Trouble>>(new Map());
  const put = useCallback((device: Device, trouble: Trouble | null) => {
    setTroubles((before) => {
      const after = new Map(before);
      if (trouble) after.set(device, trouble);
      else after.delete(device);
      return after;
    });
  }, []);
  const tell: Tell = async (device, error) => {
    const kind = device === "camera" ? "videoinput" : "audioinput";
    const exists = (await list.refresh()).some((found) => found.kind === kind);
    put(device, error ? (navigator.mediaDevices ? troubleOf(error.name, exists) : "insecure") : null);
  };
  const camera = useInTurn(client, "camera", useCameraSource(list, tell));
  const microphone = useInTurn(client, "microphone", useMicrophoneSource(list, tell));
  useLoss(camera.track, () => put("camera", "lost"));
  useLoss(microphone.track, () => put("microphone", "lost"));
  const start = useStart(tell, { camera, microphone });
  const speaker = useSpeaker(list);
  const stop = () => {
    camera.stop();
    microphone.stop();
  };
  return { camera, microphone, speaker, troubles, start, stop };
}

function useCameraSource(list: DeviceList, tell: Tell): Source & { stop: () => void; open: () => Promise<void> } {
  const { cameraStream, currentCamera, toggleCamera, selectCamera, startCamera, stopCamera } = useCamera();
  const track = cameraStream?.getVideoTracks()[0] ?? null;
  return {
    on: track !== null,
    track,
    choices: list.of("videoinput"),
    chosen: track?.getSettings().deviceId ?? currentCamera?.deviceId ?? "",
    toggle: async () => tell("camera", await toggleCamera()),
    choose: async (id) => tell("camera", await selectCamera(id)),
    open: async () => tell("camera", (await startCamera())[1]),
    stop: stopCamera,
  };
}

function useMicrophoneSource(list: DeviceList, tell: Tell): Source & { stop: () => void; open: () => Promise<void> } {
  const client = useMicrophone();
  const published = usePeers().localPeer?.microphoneTrack !== undefined;
  const track = client.microphoneStream?.getAudioTracks()[0] ?? null;
  const on = track !== null && !client.isMicrophoneMuted;
  const wanted = useRef(false);
  const { toggleMicrophoneMute } = client;
  // The client remembers "muted" over a device that went away; the next one has to be told apart.
  useEffect(() => {
    if (wanted.current && track && !on && published) void toggleMicrophoneMute();
    if (on) wanted.current = false;
  }, [track, on, published, toggleMicrophoneMute]);
  const toggle = async () => {
    wanted.current = !on;
    // During a call a muted microphone stays open, so that the first word after it is not cut.
    if (track && published) return toggleMicrophoneMute();
    await tell("microphone", await client.toggleMicrophone());
  };
  return {
    on,
    track,
    choices: list.of("audioinput"),
    chosen: track?.getSettings().deviceId ?? client.currentMicrophone?.deviceId ?? "",
    toggle,
    choose: async (id) => tell("microphone", await client.selectMicrophone(id)),
    open: async () => tell("microphone", (await client.startMicrophone())[1]),
    stop: client.stopMicrophone,
  };
}

/** Lets a switch wait until the client can follow it. A second press meanwhile is the same wish. */
function useInTurn<S extends Source>(client: FishjamClient, device: Device, source: S): S {
  const latest = useRef(source);
  latest.current = source;
  const waiting = useRef(false);
  const toggle = async () => {
    if (waiting.current) return;
    waiting.current = true;
    await settled(client, device, source.track);
    waiting.current = false;
    await latest.current.toggle();
  };
  return { ...source, toggle };
}

function useStart(tell: Tell, sources: Record<Device, { open: () => Promise<void> }>) {
  const { initializeDevices } = useInitializeDevices();
  const latest = useRef({ tell, sources, initializeDevices });
  latest.current = { tell, sources, initializeDevices };
  return useCallback(async ({ camera, microphone }: Wishes) => {
    if (!camera && !microphone) return;
    const wished = DEVICES.filter((device) => (device === "camera" ? camera : microphone));
    if (!navigator.mediaDevices) {
      for (const device of wished) await latest.current.tell(device, { name: "" });
      return;
    }
    const { initializeDevices } = latest.current;
    const { errors } = await initializeDevices({ enableVideo: camera, enableAudio: microphone });
    const failed = { camera: errors?.video, microphone: errors?.audio };
    for (const device of wished) {
      // A device that another program holds keeps both from opening: then each is asked for by itself.
      if (failed[device]?.name === "UNHANDLED_ERROR") await latest.current.sources[device].open();
      else await latest.current.tell(device, failed[device]);
    }
  }, []);
}

/** Calls when a device ends by itself: unplugged, or the permission was taken back. */
function useLoss(track: MediaStreamTrack | null, lost: () => void): void {
  const latest = useRef(lost);
  latest.current = lost;
  useEffect(() => {
    const ended = () => latest.current();
    track?.addEventListener("ended", ended);
    return () => track?.removeEventListener("ended", ended);
  }, [track]);
}

function useSpeaker(list: DeviceList): Devices["speaker"] {
  const [chosen, choose] = useStored("velella.speaker", "");
  // Not every browser lets a page choose where its sound goes.
  const choices = "setSinkId" in HTMLMediaElement.prototype ? list.of("audiooutput") : [];
  return { choices, chosen: choices.some(({ id }) => id === chosen) ? chosen : (choices[0]?.id ?? ""), choose };
}
