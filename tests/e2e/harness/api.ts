// The management API, as a back end of an application would call it.

import { MANAGEMENT_TOKEN } from "./server";

export interface RoomConfig {
  videoCodec?: "vp8" | "h264" | "vp9" | "av1";
  roomType?: "conference" | "audio_only" | "livestream" | "audio_only_livestream";
  public?: boolean;
  maxPeers?: number;
}

export interface RoomState {
  id: string;
  peers: { id: string; status: "connected" | "disconnected"; tracks: { id: string; type: "audio" | "video" }[] }[];
}

export interface StreamState {
  streamers: { id: string; status: "connected" | "disconnected" }[];
  viewers: { id: string }[];
}

export interface Component {
  id: string;
  type: string;
  state: "waiting" | "connecting" | "live" | "retrying" | "stopped";
  trouble?: { code: string; sentence: string } | null;
  properties: { urls?: string[]; streamKey?: string };
  gateway?: string | null;
  /** Null while it is not live. */
  flow?: { bitrate: number; frameRate: number; keyFrameInterval: number | null; packetsLost: number } | null;
  lastTrouble?: { code: string; sentence: string; atMs: number } | null;
  tracks: { id: string; type: "audio" | "video" }[];
}

export type Scope = "publish" | "subscribe" | "admin";

export interface PeerOptions {
  /** `manual` peers receive what they are subscribed to. */
  subscribeMode?: "auto" | "manual";
  /** What the token allows; without it, to publish and to subscribe. */
  scopes?: Scope[];
}

export interface Place {
  room: string;
  peer: string;
  token: string;
}

export class Api {
  private readonly base: string;
  private readonly token: string;

  constructor(base: string, token = MANAGEMENT_TOKEN) {
    this.base = base;
    this.token = token;
  }

  /** The same with another token. */
  as(token: string): Api {
    return new Api(this.base, token);
  }

  async createRoom(config: RoomConfig): Promise<string> {
    const { room } = await this.call<{ room: RoomState }>("POST", "/room", config);
    return room.id;
  }

  room(id: string): Promise<RoomState> {
    return this.call("GET", `/room/${id}`);
  }

  config(id: string): Promise<{ config: Record<string, unknown> }> {
    return this.call("GET", `/room/${id}`);
  }

  async addPeer(room: string, options: PeerOptions = {}): Promise<Place> {
    const body = { type: "webrtc", options };
    const { peer, token } = await this.call<{ peer: { id: string }; token: string }>(
      "POST",
      `/room/${room}/peer`,
      body,
    );
    return { room, peer: peer.id, token };
  }

  /** A token for whoever will stream or watch. */
  async liveToken(room: string, kind: "streamer" | "viewer"): Promise<string> {
    const { token } = await this.ask<{ token: string }>("POST", `/room/${room}/${kind}`);
    return token;
  }

  stream(id: string): Promise<StreamState> {
    return this.call("GET", `/livestream/${id}`);
  }

  deletePeer({ room, peer }: Place): Promise<void> {
    return this.call("DELETE", `/room/${room}/peer/${peer}`);
  }

  deleteRoom(id: string): Promise<void> {
    return this.call("DELETE", `/room/${id}`);
  }

  addComponent(room: string, type: string, options: object): Promise<Component> {
    return this.call("POST", `/room/${room}/component`, { type, options });
  }

  async components(room: string): Promise<Component[]> {
    const { components } = await this.call<{ components: Component[] }>("GET", `/room/${room}`);
    return components;
  }

  deleteComponent(room: string, component: string): Promise<void> {
    return this.call("DELETE", `/room/${room}/component/${component}`);
  }

  /** From now on `to` receives everything of `from`, also what comes later. */
  subscribePeer(to: Place, from: Place): Promise<void> {
    return this.subscribe(to, `subscribe_peer?peer_id=${from.peer}`);
  }

  unsubscribePeer(to: Place, from: Place): Promise<void> {
    return this.subscribe(to, `unsubscribe_peer?peer_id=${from.peer}`);
  }

  subscribeTracks(to: Place, ...tracks: string[]): Promise<void> {
    return this.subscribe(to, "subscribe_tracks", { track_ids: tracks });
  }

  unsubscribeTracks(to: Place, ...tracks: string[]): Promise<void> {
    return this.subscribe(to, "unsubscribe_tracks", { track_ids: tracks });
  }

  private subscribe({ room, peer }: Place, what: string, body?: unknown): Promise<void> {
    return this.call("POST", `/room/${room}/peer/${peer}/${what}`, body);
  }

  private async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    return (await this.ask<{ data: T } | undefined>(method, path, body))?.data as T;
  }

  /** The answer as it comes, which is wrapped for most requests. */
  private async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(this.base + path, {
      method,
      headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }
}
