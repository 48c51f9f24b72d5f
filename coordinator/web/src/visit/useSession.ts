// The session of one call: connects, follows the client through its ups and downs, and leaves for good.

import { useConnection } from "@fishjam-cloud/react-client";
import type { FishjamClient } from "@fishjam-cloud/ts-client";
import { useCallback, useEffect, useRef, useState } from "react";
import type { PeerMetadata } from "../room/person";
import { dismissal, type Ending, LOST, rejection, removal } from "./endings";
import type { Ticket } from "./join";

export type Phase = "joining" | "live" | "reconnecting";

interface Session {
  phase: Phase;
  leave: () => void;
}

/** `ended` is called once, with the reason, or with `null` when its person left. */
export function useSession(
  client: FishjamClient,
  ticket: Ticket,
  metadata: PeerMetadata,
  ended: (why: Ending | null) => void,
): Session {
  const { joinRoom } = useConnection();
  const [phase, setPhase] = useState<Phase>("joining");
  const latest = useRef({ joinRoom, ended, over: false });
  Object.assign(latest.current, { joinRoom, ended });

  const end = useCallback(
    (why: Ending | null) => {
      if (latest.current.over) return;
      latest.current.over = true;
      close(client);
      latest.current.ended(why);
    },
    [client],
  );

  useEffect(() => follow(client, setPhase, end), [client, end]);

  const first = useRef(metadata);
  useEffect(() => {
    const { peerToken } = ticket;
    // The events tell more than the promise, which rejects although the client goes on trying.
    latest.current.joinRoom({ peerToken, peerMetadata: { ...first.current } }).catch(() => undefined);
    const gone = () => close(client);
    addEventListener("pagehide", gone);
    return () => {
      removeEventListener("pagehide", gone);
      latest.current.over = true;
      close(client);
    };
  }, [client, ticket]);

  return { phase, leave: () => end(null) };
}

function follow(client: FishjamClient, enter: (phase: Phase) => void, end: (why: Ending | null) => void): () => void {
  const joined = () => enter("live");
  const broken = () => enter("reconnecting");
  const given = () => end(LOST);
  const dismissed = (reason: Parameters<typeof dismissal>[0]) => end(dismissal(reason));
  const rejected = (reason: unknown) => end(rejection(reason));
  const closed = ({ reason }: CloseEvent) => {
    const why = removal(reason);
    if (why) end(why);
  };
  client.on("joined", joined);
  client.on("reconnectionStarted", broken);
  client.on("reconnectionRetriesLimitReached", given);
  client.on("authError", dismissed);
  client.on("joinError", rejected);
  client.on("socketClose", closed);
  return () => {
    client.off("joined", joined);
    client.off("reconnectionStarted", broken);
    client.off("reconnectionRetriesLimitReached", given);
    client.off("authError", dismissed);
    client.off("joinError", rejected);
    client.off("socketClose", closed);
  };
}

/** Leaves, and stays away: an attempt to reconnect that is already on its way is sent home. */
function close(client: FishjamClient): void {
  client.cleanup();
  client.disconnect();
  client.on("socketOpen", () => client.disconnect());
}
