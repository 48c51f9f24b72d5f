// How often the page asks. The history grows by one sample in five seconds.

export const LIVE_MS = 2_000;
export const HISTORY_MS = 5_000;
