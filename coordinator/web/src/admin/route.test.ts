import { expect, test } from "vitest";
import { link, parse, type Route } from "./route";

test("every place has a link that leads back to it", () => {
  const routes: Route[] = [
    { at: "cluster" },
    { at: "worker", worker: "w/1?" },
    { at: "rooms", worker: "" },
    { at: "rooms", worker: "w 1" },
    { at: "room", room: "demo-bay" },
  ];
  for (const route of routes) expect(parse(link(route))).toEqual(route);
});

test("what leads nowhere leads to the cluster", () => {
  for (const hash of ["", "#", "#/", "#/nowhere/x", "#/workers/%", "#/workers"]) {
    expect(parse(hash), hash).toEqual({ at: "cluster" });
  }
});
