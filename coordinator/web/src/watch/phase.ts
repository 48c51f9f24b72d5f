// How far the page has come with a broadcast, as a machine: what happened goes in, what is shown comes out.

export type Phase =
  /** There is no broadcast yet; it is asked for again and again. */
  | "waiting"
  /** There is one, and its first picture is on the way. */
  | "starting"
  | "playing"
  | "paused"
  /** Nothing is left to show for the moment. */
  | "stalled"
  /** The server cannot be reached, or lost the broadcast; it is asked for again and again. */
  | "lost"
  | "over"
  /** The browser cannot play it. */
  | "unsupported"
  /** The server does not give it to this viewer. */
  | "refused"
  /** Its pictures cannot be read. */
  | "broken";

export type Happening =
  /** Answers of the server that was asked for the playlist. */
  | "found"
  | "absent"
  | "refused"
  | "unreachable"
  /** What plays it tells. */
  | "plays"
  | "pauses"
  | "stalls"
  | "ends"
  | "disconnects"
  | "breaks"
  | "cannot"
  /** The viewer asks once more. */
  | "again";

export interface Player {
  phase: Phase;
  /** Since when nothing came of a broadcast that was seen before; `null` while it comes or before it came. */
  lost_ms: number | null;
}

/** How long a broadcast that was seen may be away before it is called over: another gateway takes it over within seconds. */
export const AWAY_MS_MAX = 20_000;

export const FIRST: Player = { phase: "waiting", lost_ms: null };

const ASKING: readonly Phase[] = ["waiting", "lost"];
const OPEN: readonly Phase[] = ["starting", "playing", "paused", "stalled"];

/** Whether the server is asked for the playlist. */
export function isAsking({ phase }: Player): boolean {
  return ASKING.includes(phase);
}

/** Whether the broadcast is loaded. */
export function isOpen({ phase }: Player): boolean {
  return OPEN.includes(phase);
}

/** What comes too late to matter changes nothing. */
export function advance(player: Player, happening: Happening, now_ms: number): Player {
  if (happening === "again") return FIRST;
  if (isAsking(player)) return answered(player, happening, now_ms);
  if (isOpen(player)) return played(player, happening, now_ms);
  return player;
}

function answered(player: Player, happening: Happening, now_ms: number): Player {
  const { lost_ms } = player;
  switch (happening) {
    case "found":
      return { phase: "starting", lost_ms };
    case "absent":
      if (lost_ms === null) return FIRST;
      return now_ms - lost_ms < AWAY_MS_MAX ? player : { phase: "over", lost_ms: null };
    case "unreachable":
      return { phase: "lost", lost_ms };
    case "refused":
      return { phase: "refused", lost_ms: null };
    default:
      return player;
  }
}

function played(player: Player, happening: Happening, now_ms: number): Player {
  switch (happening) {
    case "plays":
      return { phase: "playing", lost_ms: null };
    case "pauses":
      return { ...player, phase: "paused" };
    case "stalls":
      return player.phase === "playing" ? { ...player, phase: "stalled" } : player;
    case "disconnects":
      return { phase: "lost", lost_ms: player.lost_ms ?? now_ms };
    case "ends":
      return { phase: "over", lost_ms: null };
    case "breaks":
      return { phase: "broken", lost_ms: null };
    case "cannot":
      return { phase: "unsupported", lost_ms: null };
    default:
      return player;
  }
}
