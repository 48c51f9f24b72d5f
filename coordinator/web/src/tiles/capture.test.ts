import { expect, test } from "vitest";
import { captureFor } from "./capture";

test("the more people, the smaller the picture of each", () => {
  expect([1, 3, 4, 7, 13, 25].map((people) => captureFor(people).height)).toEqual([720, 720, 360, 270, 180, 180]);
});
