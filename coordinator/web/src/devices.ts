// Opens the camera and the microphone and names what went wrong when one does not open.

export type Device = "camera" | "microphone";
export const DEVICES: readonly Device[] = ["microphone", "camera"];

/** Why a device did not open. */
export type Trouble = "denied" | "missing" | "busy" | "insecure";

export type Opened = { track: MediaStreamTrack } | { trouble: Trouble };

const CONSTRAINTS: Record<Device, MediaStreamConstraints> = {
  camera: { video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } } },
  microphone: { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } },
};

export async function open(device: Device): Promise<Opened> {
  // Browsers hide `mediaDevices` on pages that came over plain HTTP from another machine.
  if (!navigator.mediaDevices) return { trouble: "insecure" };
  try {
    const stream = await navigator.mediaDevices.getUserMedia(CONSTRAINTS[device]);
    const track = stream.getTracks()[0];
    return track ? { track } : { trouble: "missing" };
  } catch (error) {
    return { trouble: troubleOf(error) };
  }
}

/** The words for what went wrong; devices with the same trouble share a sentence. */
export function explain(troubles: ReadonlyMap<Device, Trouble>): string {
  const kinds = new Set(troubles.values());
  const sentences = [...kinds].map((trouble) => {
    const devices = [...troubles.keys()].filter((device) => troubles.get(device) === trouble);
    return sentence(devices.join(" or "), trouble);
  });
  return sentences.length === 0 ? "" : `${sentences.join(" ")} You can join all the same.`;
}

function sentence(devices: string, trouble: Trouble): string {
  switch (trouble) {
    case "denied":
      return `The browser may not use your ${devices}.`;
    case "missing":
      return `No ${devices} was found.`;
    case "busy":
      return `Another program holds your ${devices}.`;
    case "insecure":
      return `Browsers open the ${devices} on secure pages only: use https or localhost.`;
  }
}

function troubleOf(error: unknown): Trouble {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  return name === "NotReadableError" || name === "AbortError" ? "busy" : "missing";
}
