// Makes one's own picture smaller as the room fills.

import { useEffect } from "react";
import { captureFor } from "./capture";

export function useCapture(camera: MediaStreamTrack | null, people: number): void {
  const { width, height, frameRate } = captureFor(people);
  useEffect(() => {
    const ideal = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: frameRate } };
    // A camera that cannot keeps its size.
    camera?.applyConstraints(ideal).catch(() => undefined);
  }, [camera, width, height, frameRate]);
}
