// Why a call is over, in words for its person.

import type { AuthErrorReason } from "@fishjam-cloud/ts-client";

/** The client has given up trying. */
export const LOST = "The connection was lost.";

/** The server does not let this peer in, or not any more. */
export function dismissal(reason: AuthErrorReason): string {
  switch (reason) {
    case "room not found":
      return "This room was closed.";
    case "peer not found":
      return "You were removed from this room.";
    case "expired token":
      return "Your place in this room has expired. Join again.";
    case "invalid token":
    case "missing token":
      // Also what the server says to the older of two windows with the same place.
      return "Your place was taken over by another window. Join again to return.";
  }
}

export function rejection(reason: unknown): string {
  const text = typeof reason === "string" ? reason.toLowerCase() : "";
  if (text.includes("limit")) return "This room is full.";
  if (text.includes("room not found")) return "This room was closed.";
  return "The server could not let you in. Try again.";
}

const REMOVED = /^peer removed(?::\s*(.+))?$/i;

/** What the server says when it closes the socket of somebody who was removed; `null` for every other reason. */
export function removal(reason: string): string | null {
  const found = REMOVED.exec(reason.trim());
  if (!found) return null;
  return found[1] ? `You were removed from this room: ${found[1]}` : "You were removed from this room.";
}
