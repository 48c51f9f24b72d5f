// What the coordinator tells of the cluster, as it comes over the wire.

export type WorkerState = "starting" | "ready" | "cordoned" | "draining";

export interface Load {
  cpu_permille: number;
  packets_in_per_s: number;
  packets_out_per_s: number;
  bits_in_per_s: number;
  bits_out_per_s: number;
  rooms: number;
  sessions: number;
  tracks: number;
}

export interface Worker {
  worker: string;
  incarnation: string;
  state: WorkerState;
  region: string;
  version: string;
  endpoints: string[];
  suspect: boolean;
  silent_ms: number;
  effective_load_permille: number;
  rooms_placed: number;
  capacity: { load_permille_max: number; rooms_max: number; sessions_max: number };
  load: Load;
}

export interface Totals {
  rooms: number;
  peers: number;
  peers_connected: number;
  workers: number;
  workers_ready: number;
}

/** Columns of one worker's loads; `null` where it was not heard. */
export type WorkerHistory = { worker: string } & { [key in keyof Load]: (number | null)[] };

export interface History {
  interval_ms: number;
  at_ms: number[];
  totals: { [key in keyof Totals]: number[] };
  workers: WorkerHistory[];
  more: boolean;
}

/** A line of the list of rooms. */
export interface RoomLine {
  room: string;
  room_type: string;
  video_codec: string;
  peers_connected: number;
  peers: number;
  tracks: number;
  worker: string;
  generation: number;
}

export interface RoomPage {
  rooms: RoomLine[];
  more: boolean;
}

export type Verdict =
  | { type: "scored"; region_miss: boolean; load_permille: number; rooms: number }
  | { type: "excluded"; reason: string };

export interface Candidate {
  worker: string;
  verdict: Verdict;
}

export interface Placement {
  room: string;
  worker: string;
  incarnation: string;
  generation: number;
  endpoints: string[];
  candidates: Candidate[];
}

export interface Peer {
  id: string;
  type: string;
  status: "connected" | "disconnected";
  tracks: { id: string; type: string; metadata: unknown }[];
  metadata: { peer: unknown; server: unknown };
  subscribeMode: string;
}

export interface Room {
  id: string;
  config: Record<string, unknown>;
  peers: Peer[];
}

/** A peer that was just added: the token is not told again. */
export interface Admission {
  peer: Peer;
  token: string;
  peer_websocket_url?: string;
}
