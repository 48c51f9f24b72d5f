// What is typed into the forms, as the management API takes it.

export interface RoomForm {
  roomId: string;
  maxPeers: string;
  roomType: string;
  videoCodec: string;
  public: boolean;
  webhookUrl: string;
  batchWebhookNotifications: boolean;
  peerlessPurgeTimeout: string;
  peerDisconnectedTimeout: string;
}

export const EMPTY_ROOM: RoomForm = {
  roomId: "",
  maxPeers: "",
  roomType: "conference",
  videoCodec: "h264",
  public: false,
  webhookUrl: "",
  batchWebhookNotifications: false,
  peerlessPurgeTimeout: "",
  peerDisconnectedTimeout: "",
};

/** Only what differs from the server's own defaults is sent. */
export function roomConfig(form: RoomForm): Record<string, unknown> {
  const entries = Object.entries(form).filter(([key, value]) => value !== EMPTY_ROOM[key as keyof RoomForm]);
  return Object.fromEntries(entries.map(([key, value]) => [key, NUMBERS.has(key) ? Number(value) : value]));
}

const NUMBERS = new Set(["maxPeers", "peerlessPurgeTimeout", "peerDisconnectedTimeout"]);

/** Metadata as it was typed: nothing, an object, or `null` when it is neither. */
export function metadata(text: string): Record<string, unknown> | null {
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** The name that people gave themselves or got from their server, wherever apps keep it. */
export function nameOf({ metadata }: { metadata: { peer: unknown; server: unknown } }): string | null {
  for (const side of [metadata.server, metadata.peer]) {
    if (typeof side !== "object" || side === null) continue;
    const named = side as Record<string, unknown>;
    const name = named.displayName ?? named.name;
    if (typeof name === "string" && name.trim() !== "") return name;
  }
  return null;
}
