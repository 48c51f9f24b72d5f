// Gets at what the client keeps to itself, by wrapping the browser's constructors before the client uses them:
// its peer connections (for `getStats`), its sockets (to count them), and its data channels (for the bytes).

export interface RawMessage {
  label: string;
  bytes: number[];
}

export const seen = {
  connections: [] as RTCPeerConnection[],
  sockets: 0,
  messages: [] as RawMessage[],
  onSignal: (_name: string) => {},
  /** The client cannot send simulcast in this version; when set, video transceivers get these encodings instead. */
  encodings: null as RTCRtpEncodingParameters[] | null,
};

class WatchedConnection extends RTCPeerConnection {
  constructor(configuration?: RTCConfiguration) {
    super(configuration);
    seen.connections.push(this);
  }

  override addTransceiver(trackOrKind: MediaStreamTrack | string, init: RTCRtpTransceiverInit = {}): RTCRtpTransceiver {
    const sendsVideo = trackOrKind instanceof MediaStreamTrack && trackOrKind.kind === "video";
    if (sendsVideo && seen.encodings)
      return super.addTransceiver(trackOrKind, { ...init, sendEncodings: seen.encodings });
    return super.addTransceiver(trackOrKind, init);
  }

  override createDataChannel(label: string, init?: RTCDataChannelInit): RTCDataChannel {
    const channel = super.createDataChannel(label, init);
    channel.binaryType = "arraybuffer";
    channel.addEventListener("message", ({ data }) => {
      seen.messages.push({ label, bytes: [...new Uint8Array(data as ArrayBuffer)] });
    });
    return channel;
  }
}

class WatchedSocket extends WebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols);
    seen.sockets += 1;
    this.addEventListener("message", ({ data }) => {
      if (data instanceof ArrayBuffer) seen.onSignal(signalName(new Uint8Array(data)));
    });
  }
}

const SERVER_MEDIA_EVENT = 6;
const SIGNALS = [
  "",
  "endpointUpdated",
  "trackUpdated",
  "tracksAdded",
  "tracksRemoved",
  "endpointAdded",
  "endpointRemoved",
  "connected",
  "error",
  "offerData",
  "candidate",
  "sdpAnswer",
  "vadNotification",
  "trackVariantSwitched",
  "trackVariantDisabled",
  "trackVariantEnabled",
];

/** What the server sent, by the number of its field: enough to read the order of events in a failed test's diary. */
function signalName(frame: Uint8Array): string {
  if ((frame[0] ?? 0) >> 3 !== SERVER_MEDIA_EVENT) return "control";
  let at = 1;
  while ((frame[at++] ?? 0) & 0x80);
  return SIGNALS[(frame[at] ?? 0) >> 3] ?? "unknown";
}

window.RTCPeerConnection = WatchedConnection;
window.WebSocket = WatchedSocket;

/** The connection in use. */
export function connection(): RTCPeerConnection | undefined {
  return seen.connections.filter(({ connectionState }) => connectionState !== "closed").at(-1);
}
