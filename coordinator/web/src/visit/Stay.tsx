// One stay: the lobby, the room, and the page after it.

import { FishjamProvider } from "@fishjam-cloud/react-client";
import { FishjamClient } from "@fishjam-cloud/ts-client";
import { useEffect, useState } from "react";
import { deviceConstraints } from "../devices/constraints";
import { type Devices, useDevices, type Wishes } from "../devices/useDevices";
import { Left } from "../left/Left";
import { Lobby } from "../lobby/Lobby";
import { Room } from "../room/Room";
import type { Ending } from "./endings";
import { join, type Ticket } from "./join";

interface Props {
  room: string;
  wishes: Wishes;
  /** Comes back from the page after the room: joins at once. */
  returning: boolean;
  again: (wishes: Wishes) => void;
  home: () => void;
}

type Screen =
  | { at: "lobby" }
  | { at: "room"; ticket: Ticket; name: string }
  | { at: "left"; why: Ending | null; wishes: Wishes };

/** Twenty-odd seconds: longer than a server takes to start again, or a train to leave a tunnel. */
const RECONNECT = { maxAttempts: 8, initialDelay: 500, delay: 750 };

/** The base of the client's addresses until a ticket names another one. */
const HERE = `${location.origin}/api/v1/connect/demo`;

export function Stay(props: Props) {
  const [client] = useState(() => new FishjamClient({ reconnect: RECONNECT }));
  const [constraints] = useState(deviceConstraints);
  const [screen, setScreen] = useState<Screen>({ at: "lobby" });
  const base = screen.at === "room" ? screen.ticket.url.replace(/^ws/, "http") : HERE;
  return (
    <FishjamProvider fishjamId={base} fishjamClient={client} constraints={constraints}>
      <Screens {...props} client={client} screen={screen} show={setScreen} />
    </FishjamProvider>
  );
}

interface ScreensProps extends Props {
  client: FishjamClient;
  screen: Screen;
  show: (screen: Screen) => void;
}

function Screens({ room, wishes, returning, again, home, client, screen, show }: ScreensProps) {
  const devices = useDevices(client);
  useRelease(devices);
  useEffect(() => {
    document.title = `${room} · Velella`;
  }, [room]);
  if (screen.at === "left") return <Left room={room} why={screen.why} again={() => again(screen.wishes)} home={home} />;
  if (screen.at === "lobby") {
    const enter = async (name: string) => {
      const ticket = await join(room, name, new URLSearchParams(location.search).get("codec"));
      show({ at: "room", ticket, name });
    };
    return <Lobby room={room} devices={devices} wishes={wishes} returning={returning} enter={enter} home={home} />;
  }
  const ended = (why: Ending | null) => {
    const { camera, microphone } = devices;
    devices.stop();
    show({ at: "left", why, wishes: { camera: camera.on, microphone: microphone.on } });
  };
  const { ticket, name } = screen;
  return <Room room={room} name={name} ticket={ticket} client={client} devices={devices} ended={ended} />;
}

/** Gives the devices back when the stay is over, however it ends. */
function useRelease({ camera, microphone }: Devices): void {
  const { track: picture } = camera;
  const { track: sound } = microphone;
  useEffect(() => () => picture?.stop(), [picture]);
  useEffect(() => () => sound?.stop(), [sound]);
}
