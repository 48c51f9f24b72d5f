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
  }
}

window.RTCPeerConnection = WatchedConnection;
window.WebSocket = WatchedSocket;

/** The connection in use. */
export function connection(): RTCPeerConnection | undefined {
  return seen.connections.filter(({ connectionState }) => connectionState !== "closed").at(-1);
}
