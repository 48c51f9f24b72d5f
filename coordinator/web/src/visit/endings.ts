// Why a call is over, in words for its person.

import type { AuthErrorReason } from "@fishjam-cloud/ts-client";

export interface Ending {
  title: string;
  words: string;
}

/** The client has given up trying. */
export const LOST = over("The connection was lost.");

/** The server does not let this peer in, or not any more. */
export function dismissal(reason: AuthErrorReason): Ending {
  switch (reason) {
    case "room not found":
      return over("This room was closed.");
    case "peer not found":
      return removed("");
    case "expired token":
      return over("Your place in this room has expired. Join again.");
    case "invalid token":
    case "missing token":
      // Also what the server says to the older of two windows with the same place.
      return over("Your place was taken over by another window. Join again to return.");
  }
}

export function rejection(reason: unknown): Ending {
  const text = typeof reason === "string" ? reason.toLowerCase() : "";
  if (text.includes("limit")) return over("This room is full.");
  if (text.includes("room not found")) return over("This room was closed.");
  return over("The server could not let you in. Try again.");
}

const REMOVED = /^peer removed(?::\s*(.+))?$/i;

/** What the server says when it closes the socket of somebody who was removed; `null` for every other reason. */
export function removal(reason: string): Ending | null {
  const found = REMOVED.exec(reason.trim());
  return found && removed(found[1] ?? "");
}

function over(words: string): Ending {
  return { title: "The call is over", words };
}

function removed(reason: string): Ending {
  return { title: "You were removed from this room", words: sentence(reason) || "Nobody said why." };
}

/** Reasons are typed by people: some end with a full stop, some do not. */
function sentence(text: string): string {
  return text && text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
