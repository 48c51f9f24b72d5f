// Who stands on the stage: whoever is pinned, a shared screen, or whoever speaks, as far as the person wants a stage.

/** `auto` makes a stage for a shared screen only. */
export type Mode = "auto" | "grid" | "speaker";

export interface View {
  mode: Mode;
  pinned: string | null;
}

/** What there is to choose from, in the order of the tiles. */
export interface Candidate {
  key: string;
  kind: "self" | "person" | "screen";
  /** One's own camera or screen. */
  own: boolean;
}

export const FIRST_VIEW: View = { mode: "auto", pinned: null };

/** The key of the tile on the stage. `speaker` is the person who spoke last. */
export function stageOf(
  { mode, pinned }: View,
  candidates: readonly Candidate[],
  speaker: string | null,
): string | null {
  if (candidates.some(({ key }) => key === pinned)) return pinned;
  if (mode === "grid") return null;
  const screen = candidates.filter(({ kind, own }) => kind === "screen" && !own).at(-1);
  if (screen || mode === "auto") return screen?.key ?? null;
  const others = candidates.filter(({ own }) => !own);
  const spoke = others.find(({ key }) => key === speaker);
  return (spoke ?? others[0] ?? candidates[0])?.key ?? null;
}

/** The button between the two layouts; `staged` is whether there is a stage now. */
export function toggleLayout(staged: boolean): View {
  return { mode: staged ? "grid" : "speaker", pinned: null };
}

export function togglePin(view: View, key: string): View {
  return { ...view, pinned: view.pinned === key ? null : key };
}

/** A screen that appears is news: it gets the stage even from people who had chosen the grid. */
export function screenAppeared(view: View): View {
  return view.mode === "grid" ? { ...view, mode: "auto" } : view;
}
