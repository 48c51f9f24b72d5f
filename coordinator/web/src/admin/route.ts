// Where the operator is, kept behind the `#`: links and the back button work, and nothing of it reaches the server.

import { useSyncExternalStore } from "react";

export type Route =
  | { at: "cluster" }
  | { at: "worker"; worker: string }
  | { at: "rooms"; worker: string }
  | { at: "room"; room: string };

export function parse(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?");
  const [noun, id] = path.split("/").map(decoded);
  if (noun === "workers" && id) return { at: "worker", worker: id };
  if (noun === "rooms" && id) return { at: "room", room: id };
  if (noun === "rooms") return { at: "rooms", worker: new URLSearchParams(search).get("worker") ?? "" };
  return { at: "cluster" };
}

export function link(route: Route): string {
  switch (route.at) {
    case "cluster":
      return "#/";
    case "worker":
      return `#/workers/${encodeURIComponent(route.worker)}`;
    case "rooms":
      return route.worker ? `#/rooms?${new URLSearchParams({ worker: route.worker })}` : "#/rooms";
    case "room":
      return `#/rooms/${encodeURIComponent(route.room)}`;
  }
}

export function go(route: Route): void {
  location.hash = link(route);
}

export function useRoute(): Route {
  return parse(useSyncExternalStore(subscribe, () => location.hash));
}

function subscribe(changed: () => void): () => void {
  addEventListener("hashchange", changed);
  return () => removeEventListener("hashchange", changed);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
