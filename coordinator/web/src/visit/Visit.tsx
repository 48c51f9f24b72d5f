// A visit to one room. Every stay in it, from the lobby to the way out, has a client and devices of its own.

import { useState } from "react";
import type { Wishes } from "../devices/useDevices";
import { Stay } from "./Stay";

interface Props {
  room: string;
  home: () => void;
}

const ALL_ON: Wishes = { camera: true, microphone: true };

export function Visit({ room, home }: Props) {
  const [{ stay, wishes }, setStay] = useState({ stay: 0, wishes: ALL_ON });
  const again = (wished: Wishes) => setStay({ stay: stay + 1, wishes: wished });
  return <Stay key={stay} room={room} wishes={wishes} returning={stay > 0} again={again} home={home} />;
}
