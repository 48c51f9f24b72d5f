// Hands out the link to a room.

import { pathOfRoom } from "../app/room-link";
import { notify } from "../ui/notices";

export async function copyLink(room: string): Promise<boolean> {
  const copied = await copy(location.origin + pathOfRoom(room));
  notify(copied ? "Link copied" : "The link could not be copied: take it from the address bar");
  return copied;
}

async function copy(text: string): Promise<boolean> {
  // Only secure pages have a clipboard.
  if (!navigator.clipboard) return false;
  return navigator.clipboard.writeText(text).then(
    () => true,
    () => false,
  );
}
