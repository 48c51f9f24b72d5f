// Which screen is shown: the landing page, a visit to the room that the address names, or its broadcast.

import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { Landing } from "../landing/Landing";
import { Mishap } from "../ui/Mishap";
import { NoticeList } from "../ui/NoticeList";
import { broadcastOfPath, pathOfRoom, roomOfPath } from "./room-link";

// No screen waits for what only another one needs.
const Visit = lazy(() => import("../visit/Visit").then(({ Visit }) => ({ default: Visit })));
const Watch = lazy(() => import("../watch/Watch").then(({ Watch }) => ({ default: Watch })));

export function App() {
  const [path, setPath] = useState(location.pathname);
  useEffect(() => {
    const moved = () => setPath(location.pathname);
    addEventListener("popstate", moved);
    return () => removeEventListener("popstate", moved);
  }, []);
  const go = useCallback((to: string) => {
    history.pushState(null, "", to + location.search);
    setPath(to);
  }, []);
  return (
    <>
      <NoticeList />
      <Mishap>
        <Suspense fallback={null}>
          <Screen path={path} go={go} />
        </Suspense>
      </Mishap>
    </>
  );
}

function Screen({ path, go }: { path: string; go: (to: string) => void }) {
  const broadcast = broadcastOfPath(path);
  if (broadcast !== null) return <Watch key={broadcast} room={broadcast} />;
  const room = roomOfPath(path);
  if (room !== null) return <Visit key={room} room={room} home={() => go("/")} />;
  return <Landing enter={(name) => go(pathOfRoom(name))} />;
}
