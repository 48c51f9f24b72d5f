// Which screen is shown: the landing page, or a visit to the room that the address names.

import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { Landing } from "../landing/Landing";
import { Mishap } from "../ui/Mishap";
import { NoticeList } from "../ui/NoticeList";
import { pathOfRoom, roomOfPath } from "./room-link";

// The landing page does not wait for what only a call needs.
const Visit = lazy(() => import("../visit/Visit").then(({ Visit }) => ({ default: Visit })));

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
  const room = roomOfPath(path);
  return (
    <>
      <NoticeList />
      {room === null ? (
        <Landing enter={(name) => go(pathOfRoom(name))} />
      ) : (
        <Mishap>
          <Suspense fallback={null}>
            <Visit key={room} room={room} home={() => go("/")} />
          </Suspense>
        </Mishap>
      )}
    </>
  );
}
