// The bar below the tiles: what one does with oneself, and the way out.

import { DeviceButton } from "../devices/DeviceButton";
import type { Devices } from "../devices/useDevices";
import { keyOf } from "../keys/shortcuts";
import { IconButton } from "../ui/IconButton";
import type { PanelName } from "./Panel";
import type { ScreenShare } from "./useScreen";

interface Props {
  devices: Devices;
  screen: ScreenShare;
  hand: boolean;
  raise: () => void;
  panel: PanelName | null;
  show: (panel: PanelName) => void;
  leave: () => void;
  unread: number;
}

export function Controls({ devices, screen, hand, raise, panel, show, leave, unread }: Props) {
  const shares = screen.track !== null;
  return (
    <div className="controls" role="toolbar" aria-label="Call">
      <DeviceButton device="microphone" source={devices.microphone} shortcut={keyOf("microphone")} />
      <DeviceButton device="camera" source={devices.camera} shortcut={keyOf("camera")} />
      {screen.possible && (
        <IconButton
          icon={shares ? "screenOff" : "screen"}
          label={shares ? "Stop sharing" : "Share screen"}
          shortcut={keyOf("screen")}
          pressed={shares}
          onClick={() => void screen.toggle()}
        />
      )}
      <IconButton
        icon="hand"
        label={hand ? "Lower hand" : "Raise hand"}
        shortcut={keyOf("hand")}
        pressed={hand}
        onClick={raise}
      />
      <IconButton
        icon="people"
        label="People"
        shortcut={keyOf("people")}
        pressed={panel === "people"}
        onClick={() => show("people")}
      />
      <IconButton
        icon="chat"
        label={unread > 0 ? `Chat, ${unread} unread` : "Chat"}
        shortcut={keyOf("chat")}
        pressed={panel === "chat"}
        onClick={() => show("chat")}
      >
        {unread > 0 && <span className="badge">{unread > 9 ? "9+" : unread}</span>}
      </IconButton>
      <IconButton icon="leave" label="Leave" className="leave" onClick={leave} />
    </div>
  );
}
