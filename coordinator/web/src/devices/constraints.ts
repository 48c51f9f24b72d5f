// What is asked of cameras and microphones.

/** The devices that are plugged in, as far as the browser has told. */
export const present = new Set<string>();

/**
 * The client writes the device that it wants into the constraints, as a demand, and leaves it there. A demand for a device
 * that was unplugged becomes a wish: then another one opens instead of none.
 */
function forgiving<C extends MediaTrackConstraints>(constraints: C): C {
  let wanted: string | undefined;
  return Object.defineProperty(constraints, "deviceId", {
    enumerable: true,
    get: () => wanted && (present.has(wanted) ? { exact: wanted } : { ideal: wanted }),
    set: (demand: { exact?: string } | undefined) => {
      wanted = demand?.exact;
    },
  });
}

/** New ones for every stay: the client changes them. */
export function deviceConstraints() {
  return {
    video: forgiving({ width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } }),
    audio: forgiving({ echoCancellation: true, noiseSuppression: true, autoGainControl: true }),
  };
}
