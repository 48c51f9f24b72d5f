import { expect, test } from "vitest";
import { addressOf, meaningOf, pause_ms } from "./ask";

test("what the server answers means", () => {
  const meanings = [200, 404, 410, 403, 400, 429, 503, 500].map(meaningOf);
  expect(meanings.join(" ")).toBe("found absent absent refused refused unreachable unreachable unreachable");
});

test("whoever waits long asks less often, and not in step with others", () => {
  expect(pause_ms(0, () => 0)).toBe(1_000);
  expect(pause_ms(1_000, () => 0)).toBe(5_000);
  expect(pause_ms(1_000, () => 1)).toBe(6_250);
});

test("a room's address is a path, whatever the room is called", () => {
  expect(addressOf("demo-yard")).toBe("/hls/demo-yard/index.m3u8");
  expect(addressOf("a/b?c")).toBe("/hls/a%2Fb%3Fc/index.m3u8");
});
