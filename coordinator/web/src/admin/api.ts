// The management API, as any other server uses it, and the cluster's own view.

import type { Admission, History, Placement, Room, RoomPage, Totals, Worker } from "./cluster";

/** The app name in the path of the management API; the server takes any. */
const REST = "/api/v1/connect/admin";

/** A server that takes longer is as good as gone. */
const PATIENCE_MS = 10_000;

/** What went wrong, in words for the operator. */
export class Failure extends Error {
  readonly kind: "gone" | "refused" | "denied";

  constructor(kind: Failure["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface RoomFilter {
  prefix: string;
  worker: string;
  after: string;
}

export class Api {
  private readonly token: string;
  /** Called when the server does not take the token any more. */
  private readonly onRefused: () => void;

  constructor(token: string, onRefused: () => void = () => undefined) {
    this.token = token;
    this.onRefused = onRefused;
  }

  totals = (signal?: AbortSignal) => this.ask<Totals>("GET", "/cluster/totals", { signal });

  workers = async (signal?: AbortSignal) => {
    const { workers } = await this.ask<{ workers: Worker[] }>("GET", "/cluster/workers", { signal });
    return workers;
  };

  history = (signal?: AbortSignal, worker = "") =>
    this.ask<History>("GET", `/cluster/history?${query({ worker })}`, { signal });

  rooms = (filter: RoomFilter, limit: number, signal?: AbortSignal) =>
    this.ask<RoomPage>("GET", `/cluster/rooms?${query({ ...filter, limit: String(limit) })}`, { signal });

  placement = (room: string, signal?: AbortSignal) =>
    this.ask<Placement>("GET", `/cluster/rooms/${encodeURIComponent(room)}/placement`, { signal });

  room = async (room: string, signal?: AbortSignal) =>
    (await this.ask<{ data: Room }>("GET", path(room), { signal })).data;

  createRoom = async (config: Record<string, unknown>) =>
    (await this.ask<{ data: { room: Room } }>("POST", `${REST}/room`, { body: config })).data.room;

  deleteRoom = (room: string) => this.ask<null>("DELETE", path(room), {});

  addPeer = async (room: string, config: Record<string, unknown>) =>
    (await this.ask<{ data: Admission }>("POST", path(room, "peer"), { body: config })).data;

  renewToken = async (room: string, peer: string) =>
    (await this.ask<{ data: { token: string } }>("POST", path(room, "peer", peer, "refresh_token"), {})).data.token;

  kick = (room: string, peer: string, reason: string) =>
    this.ask<null>("DELETE", `${path(room, "peer", peer)}?${query({ reason })}`, {});

  private async ask<T>(method: string, path: string, more: { body?: unknown; signal?: AbortSignal | undefined }) {
    const late = AbortSignal.timeout(PATIENCE_MS);
    const signal = more.signal ? AbortSignal.any([more.signal, late]) : late;
    const headers = { authorization: `Bearer ${this.token}`, "content-type": "application/json" };
    const body = more.body === undefined ? {} : { body: JSON.stringify(more.body) };
    const response = await fetch(path, { method, headers, signal, cache: "no-store", ...body }).catch(() => {
      throw new Failure("gone", "The server does not answer.");
    });
    if (response.status === 401) {
      this.onRefused();
      throw new Failure("refused", "The server does not take this token. It wants its management token.");
    }
    const answer: unknown = response.status === 204 ? null : await response.json().catch(() => null);
    if (!response.ok) throw new Failure("denied", refusal(response.status, answer));
    return answer as T;
  }
}

/** What the server says about a refusal, or at least its status. */
export function refusal(status: number, answer: unknown): string {
  const told = typeof answer === "object" && answer !== null && "errors" in answer ? answer.errors : null;
  return typeof told === "string" && told !== "" ? `${told}.`.replace(/\.\.$/, ".") : `The server said ${status}.`;
}

/** Leaves out what is empty. */
export function query(values: Record<string, string>): string {
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "")).toString();
}

function path(room: string, ...more: string[]): string {
  return [`${REST}/room`, ...[room, ...more].map(encodeURIComponent)].join("/");
}
