// The management API, as a back end of an application would call it.

import { MANAGEMENT_TOKEN } from "./server";

export interface RoomConfig {
  videoCodec?: "vp8" | "h264" | "vp9" | "av1";
  roomType?: "conference" | "audio_only";
  maxPeers?: number;
}

export interface RoomState {
  id: string;
  peers: { id: string; status: "connected" | "disconnected"; tracks: { id: string; type: "audio" | "video" }[] }[];
}

export interface Place {
  room: string;
  peer: string;
  token: string;
}

export class Api {
  private readonly base: string;

  constructor(base: string) {
    this.base = base;
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

  async addPeer(room: string, metadata: Record<string, unknown> = {}): Promise<Place> {
    const body = { type: "webrtc", options: { metadata } };
    const { peer, token } = await this.call<{ peer: { id: string }; token: string }>(
      "POST",
      `/room/${room}/peer`,
      body,
    );
    return { room, peer: peer.id, token };
  }

  deletePeer({ room, peer }: Place): Promise<void> {
    return this.call("DELETE", `/room/${room}/peer/${peer}`);
  }

  deleteRoom(id: string): Promise<void> {
    return this.call("DELETE", `/room/${id}`);
  }

  private async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(this.base + path, {
      method,
      headers: { authorization: `Bearer ${MANAGEMENT_TOKEN}`, "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === "" ? undefined : JSON.parse(text).data) as T;
  }
}
