// Looks at the connection once a second while there is one.

import { useStatistics } from "@fishjam-cloud/react-client/debug";
import { useEffect, useRef, useState } from "react";
import { type Quality, qualityOf } from "./quality";
import { type Reading, readingOf } from "./reading";
import { type Sample, sampleOf } from "./sample";
import { kept } from "./series";

const PERIOD_MS = 1_000;

export interface Stats {
  readings: readonly Reading[];
  /** The last two looks, for numbers of single tracks. */
  samples: readonly [before: Sample, now: Sample] | null;
  quality: Quality;
}

const NOTHING: Stats = { readings: [], samples: null, quality: "good" };

export function useStats(live: boolean): Stats {
  const { getStatistics } = useStatistics();
  const [stats, setStats] = useState(NOTHING);
  const latest = useRef(getStatistics);
  latest.current = getStatistics;
  useEffect(() => {
    if (!live) return;
    let last: Sample | null = null;
    let over = false;
    const look = async () => {
      const report = await latest.current();
      if (over) return;
      const now = sampleOf(report as Iterable<[string, Record<string, unknown>]>, Date.now());
      const before = last;
      last = now;
      if (before) setStats((known) => grown(known, before, now));
    };
    // The next look is lost when the connection is closed under it; then there is none to look at.
    const timer = setInterval(() => void look().catch(() => undefined), PERIOD_MS);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [live]);
  return stats;
}

function grown({ readings }: Stats, before: Sample, now: Sample): Stats {
  const reading = readingOf(before, now);
  const all = reading ? kept(readings, reading) : readings;
  return { readings: all, samples: [before, now], quality: qualityOf(all) };
}
