// Waiting: for something to become true, and for it to stay so. Nothing in the tests sleeps for a guess.

/** How long anything may take before a test calls it broken. Generous: two cores run four browsers' pages and a debug build. */
export const PATIENCE_MS = 30_000;

/** How long "nothing more happens" is watched; three times the client's first reconnect delay. */
export const QUIET_MS = 1_500;

const POLL_MS = 50;

/** Waits until `probe` gives something truthy and returns it. */
export async function eventually<T>(what: string, probe: () => Promise<T> | T): Promise<NonNullable<T>> {
  const deadline = performance.now() + PATIENCE_MS;
  let last: unknown;
  for (;;) {
    const found = await probe();
    if (found) return found;
    last = found;
    if (performance.now() > deadline) throw new Error(`not within ${PATIENCE_MS} ms: ${what} (last seen: ${last})`);
    await pause();
  }
}

/** Watches for a while that `probe` stays falsy. */
export async function never(what: string, probe: () => Promise<unknown> | unknown): Promise<void> {
  const deadline = performance.now() + QUIET_MS;
  while (performance.now() < deadline) {
    const found = await probe();
    if (found) throw new Error(`happened: ${what} (${JSON.stringify(found)})`);
    await pause();
  }
}

/** Waits until what `probe` gives has not changed for a while. */
export async function settles<T>(what: string, probe: () => Promise<T> | T): Promise<T> {
  let last = await probe();
  let since = performance.now();
  await eventually(`${what} stays the same`, async () => {
    const now = await probe();
    if (JSON.stringify(now) !== JSON.stringify(last)) since = performance.now();
    last = now;
    return performance.now() - since > QUIET_MS;
  });
  return last;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
