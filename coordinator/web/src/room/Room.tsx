// The room: everyone's tiles, the bars above and below them, and one panel beside them.

import type { FishjamClient } from "@fishjam-cloud/ts-client";
import { useEffect, useRef, useState } from "react";
import { ChatPanel } from "../chat/ChatPanel";
import { explain } from "../devices/trouble";
import type { Devices } from "../devices/useDevices";
import { PeoplePanel } from "../people/PeoplePanel";
import { StatsPanel } from "../stats/StatsPanel";
import { useOwnQuality } from "../stats/useOwnQuality";
import { useStats } from "../stats/useStats";
import { Sounds } from "../tiles/Sounds";
import { Tiles } from "../tiles/Tiles";
import { useCapture } from "../tiles/useCapture";
import { useView } from "../tiles/useView";
import { notify } from "../ui/notices";
import type { Ending } from "../visit/endings";
import type { Ticket } from "../visit/join";
import { useSession } from "../visit/useSession";
import { Controls } from "./Controls";
import { Dialogs, type Open } from "./Dialogs";
import type { PanelName } from "./Panel";
import { TopBar } from "./TopBar";
import { useConversation } from "./useConversation";
import { useHonestTracks } from "./useHonestTracks";
import { useModeration } from "./useModeration";
import { useArrivals, useOwnMetadata, usePeople } from "./usePeople";
import { useRoomKeys } from "./useRoomKeys";
import { useScreen } from "./useScreen";
import { useSpeaking } from "./useSpeaking";
import "./room.css";

interface Props {
  room: string;
  name: string;
  ticket: Ticket;
  client: FishjamClient;
  devices: Devices;
  ended: (why: Ending | null) => void;
}

export function Room({ room, name, ticket, client, devices, ended }: Props) {
  const [hand, setHand] = useState<number | null>(null);
  const [panel, setPanel] = useState<PanelName | null>(null);
  const [dialog, setDialog] = useState<Open>(null);
  const metadata = { displayName: name, hand };
  const { phase, leave } = useSession(client, ticket, metadata, ended);
  const live = phase === "live";
  const { camera, microphone, speaker } = devices;

  const screen = useScreen(live);
  const people = usePeople({ ticket, metadata, devices, screen: screen.track });
  useOwnMetadata(metadata, live);
  useArrivals(people, live);
  useHonestTracks(client, live, camera.on, microphone.on);
  useCapture(camera.track, people.length);
  useTroubles(devices);

  const mute = () => void microphone.toggle();
  const conversation = useConversation({ client, live, people, chatOpen: panel === "chat", mute });
  const moderation = useModeration(ticket, conversation.send);
  const stats = useStats(live);
  useOwnQuality(stats.quality, conversation.ready, conversation.send);
  const speaking = useSpeaking(people);
  const view = useView(people, speaking.last);

  const show = (name: PanelName) => setPanel(panel === name ? null : name);
  const raise = () => setHand(hand === null ? Date.now() : null);
  const keys = useRoomKeys({ devices, screen, raise, view, show, setDialog, room });
  const qualities = new Map([...conversation.qualities, [ticket.peer || "self", stats.quality]]);
  const close = () => setPanel(null);

  return (
    <main className="room" data-phase={phase} data-panel={panel ?? "none"}>
      <TopBar
        room={room}
        people={people.length}
        phase={phase}
        view={view}
        open={show}
        panel={panel}
        dialog={setDialog}
      />
      <div className="scene">
        <Tiles {...view} speaking={speaking.now} qualities={qualities} onPin={view.pin} />
        {people.length === 1 && live && <p className="alone">You are the only one here. Send the link to somebody.</p>}
        <Sounds people={people} speaker={speaker.chosen} />
      </div>
      {panel === "chat" && <ChatPanel conversation={conversation} close={close} />}
      {panel === "people" && (
        <PeoplePanel people={people} speaking={speaking.now} {...{ qualities, moderation, view, close }} />
      )}
      {panel === "stats" && <StatsPanel {...{ stats, people, ticket, room, close }} />}
      <Controls
        {...{ devices, screen, raise, panel, show, leave }}
        hand={hand !== null}
        unread={conversation.chat.unread}
      />
      <Dialogs open={dialog} close={() => setDialog(null)} devices={devices} keys={keys} />
    </main>
  );
}

/** Says in words when a device goes away during the call. */
function useTroubles({ troubles }: Devices): void {
  const first = useRef(troubles);
  useEffect(() => {
    if (troubles !== first.current && troubles.size > 0) notify(explain(troubles));
  }, [troubles]);
}
