// The frame around every view: where one can go, and the way out.

import { type ReactNode, useEffect, useRef } from "react";
import { ThemeSwitch } from "../app/ThemeSwitch";
import { Sail } from "../ui/Sail";
import type { Api } from "./api";
import { ClusterView } from "./ClusterView";
import { RoomsView } from "./RoomsView";
import { RoomView } from "./RoomView";
import { link, type Route, useRoute } from "./route";
import { WorkerView } from "./WorkerView";

interface Props {
  api: Api;
  onSignOut: () => void;
}

export function Console({ api, onSignOut }: Props) {
  const route = useRoute();
  const place = link(route);
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  // Whoever follows a link is told where it led.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the place is what makes it run
  useEffect(() => {
    if (!first.current) main.current?.focus();
    first.current = false;
    document.title = `${title(route)} · Velella cluster`;
  }, [place]);
  const inRooms = route.at === "rooms" || route.at === "room";
  return (
    <div className="console">
      <header className="console-bar">
        <a className="console-name" href="#/" aria-label="Velella cluster">
          <Sail /> <span>Velella cluster</span>
        </a>
        <nav aria-label="Views">
          <Tab to={{ at: "cluster" }} current={!inRooms}>
            Cluster
          </Tab>
          <Tab to={{ at: "rooms", worker: "" }} current={inRooms}>
            Rooms
          </Tab>
        </nav>
        <div className="console-end">
          <ThemeSwitch />
          <button type="button" className="small-button" onClick={onSignOut}>
            Sign out
          </button>
        </div>
      </header>
      <main ref={main} tabIndex={-1} aria-label={title(route)}>
        <View key={place} api={api} route={route} />
      </main>
    </div>
  );
}

function View({ api, route }: { api: Api; route: Route }) {
  switch (route.at) {
    case "cluster":
      return <ClusterView api={api} />;
    case "worker":
      return <WorkerView api={api} worker={route.worker} />;
    case "rooms":
      return <RoomsView api={api} worker={route.worker} />;
    case "room":
      return <RoomView api={api} room={route.room} />;
  }
}

function Tab({ to, current, children }: { to: Route; current: boolean; children: ReactNode }) {
  return (
    <a href={link(to)} aria-current={current ? "page" : undefined}>
      {children}
    </a>
  );
}

function title(route: Route): string {
  switch (route.at) {
    case "cluster":
      return "Cluster";
    case "worker":
      return `Worker ${route.worker}`;
    case "rooms":
      return "Rooms";
    case "room":
      return `Room ${route.room}`;
  }
}
