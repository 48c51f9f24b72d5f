// What a moderator can do to others: ask their page to mute, and remove them.

import type { Message } from "../messages/message";
import { notify } from "../ui/notices";
import type { Ticket } from "../visit/join";
import type { Person } from "./person";

export interface Moderation {
  mute: (person: Person) => void;
  kick: (person: Person) => Promise<void>;
}

const REASON = "a moderator ended your stay";

/** `null` for everyone who is no moderator. */
export function useModeration(ticket: Ticket, send: (message: Message) => void): Moderation | null {
  if (!ticket.moderator) return null;
  return {
    mute: ({ id, name }) => {
      send({ kind: "mute", peer: id });
      notify(`${name} is asked to mute`);
    },
    kick: async ({ id, name }) => {
      const removed = await remove(ticket, id);
      notify(removed ? `${name} was removed` : `${name} could not be removed`);
    },
  };
}

async function remove({ url, peerToken, room }: Ticket, peer: string): Promise<boolean> {
  const base = url.replace(/^ws/, "http").replace(/\/$/, "");
  const path = `/room/${encodeURIComponent(room)}/peer/${encodeURIComponent(peer)}`;
  const query = `?reason=${encodeURIComponent(REASON)}`;
  const headers = { authorization: `Bearer ${peerToken}` };
  const response = await fetch(base + path + query, { method: "DELETE", headers }).catch(() => null);
  return response?.ok ?? false;
}
