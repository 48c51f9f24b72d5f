// What can be wrong with a device, and the words for it.

export type Device = "camera" | "microphone";
export const DEVICES: readonly Device[] = ["microphone", "camera"];

/** Why a device is not on. */
export type Trouble = "denied" | "missing" | "busy" | "insecure" | "lost";

/** The client's name for what the browser said, and whether the machine has such a device at all. */
export function troubleOf(error: string, exists: boolean): Trouble {
  // The client says "not allowed" for one device when only the other one was found.
  if (!exists || error === "NotFoundError" || error === "OverconstrainedError") return "missing";
  return error === "NotAllowedError" ? "denied" : "busy";
}

/** The words for what went wrong; devices with the same trouble share a sentence. */
export function explain(troubles: ReadonlyMap<Device, Trouble>): string {
  const kinds = new Set(troubles.values());
  const sentences = [...kinds].map((trouble) => {
    const devices = [...troubles.keys()].filter((device) => troubles.get(device) === trouble);
    return sentence(devices.join(" or "), trouble);
  });
  return sentences.join(" ");
}

function sentence(devices: string, trouble: Trouble): string {
  switch (trouble) {
    case "denied":
      return `The browser may not use your ${devices}: allow it in the address bar.`;
    case "missing":
      return `No ${devices} was found.`;
    case "busy":
      return `Another program holds your ${devices}.`;
    case "insecure":
      return `Browsers open the ${devices} on secure pages only: use https or localhost.`;
    case "lost":
      return `Your ${devices} was unplugged or taken away.`;
  }
}
