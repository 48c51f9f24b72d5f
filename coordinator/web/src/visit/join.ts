// Asks the coordinator for a place in a room, and says in plain words why there is none.

/** A place in a room. */
export interface Ticket {
  /** What the client SDK needs to connect. */
  url: string;
  peerToken: string;
  /** The ids by which the server knows the room and this peer. */
  room: string;
  peer: string;
  moderator: boolean;
  /** Where the room lives, when the server tells. */
  worker: string | null;
}

/** A refusal; `message` is for the person in front of the page. */
export class JoinRefused extends Error {}

/** `codec` is only used for a room that does not exist yet. */
export async function join(room: string, name: string, codec: string | null): Promise<Ticket> {
  const query = codec ? `?codec=${encodeURIComponent(codec)}` : "";
  const response = await fetch(`/demo/join${query}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ room, name }),
  }).catch(() => {
    throw new JoinRefused("The server does not answer. Check your connection and try again.");
  });
  if (!response.ok) throw new JoinRefused(refusal(response.status, response.headers.get("retry-after")));
  return ticket(await response.json().catch(() => null));
}

/** The words for a status; `retryAfter` is the header of that name. */
export function refusal(status: number, retryAfter: string | null): string {
  if (status === 409) return "This room is full.";
  if (status === 400 || status === 422) return "This room name cannot be used. Try another one.";
  if (status === 401 || status === 403) return "This server does not let guests in.";
  if (status === 404) return "This server has no open rooms for guests.";
  if (status === 429 || status === 503) return `All servers are busy. Try again ${inSeconds(retryAfter)}.`;
  return `The server could not open the room (${status}).`;
}

function inSeconds(retryAfter: string | null): string {
  const seconds = Number(retryAfter);
  if (!retryAfter || !Number.isFinite(seconds) || seconds < 1) return "in a moment";
  return seconds === 1 ? "in a second" : `in ${Math.ceil(seconds)} seconds`;
}

function ticket(answer: unknown): Ticket {
  const said = (typeof answer === "object" && answer !== null ? answer : {}) as Record<string, unknown>;
  const { url, peerToken, room, peer, moderator, worker } = said;
  if (typeof url !== "string" || typeof peerToken !== "string") {
    throw new JoinRefused("The server gave an answer that this page does not understand.");
  }
  return {
    url,
    peerToken,
    room: typeof room === "string" ? room : "",
    peer: typeof peer === "string" ? peer : "",
    moderator: moderator === true,
    worker: typeof worker === "string" ? worker : null,
  };
}
