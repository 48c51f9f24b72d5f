import { expect, test } from "vitest";
import { deviceConstraints, present } from "./constraints";

test("a demand for a device that is gone becomes a wish", () => {
  const { video } = deviceConstraints() as { video: MediaTrackConstraints };
  expect(video.deviceId).toBeUndefined();
  present.add("front");
  video.deviceId = { exact: "front" };
  expect(video.deviceId).toEqual({ exact: "front" });
  present.delete("front");
  expect({ ...video }.deviceId).toEqual({ ideal: "front" });
});

test("one stay's choice is not the next one's", () => {
  const { audio } = deviceConstraints() as { audio: MediaTrackConstraints };
  audio.deviceId = { exact: "headset" };
  expect((deviceConstraints() as { audio: MediaTrackConstraints }).audio.deviceId).toBeUndefined();
});
