// How loud a track is, for meters: called with 0 to 1 for every picture that the browser draws.

import { useEffect, useRef } from "react";

/** Speech at a normal distance fills the meter. */
const FULL_RMS = 0.25;

export function useMicLevel(track: MediaStreamTrack | null, onLevel: (level: number) => void): void {
  const latest = useRef(onLevel);
  latest.current = onLevel;
  useEffect(() => {
    if (!track) return latest.current(0);
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 512 });
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let frame = 0;
    const measure = () => {
      analyser.getFloatTimeDomainData(samples);
      latest.current(levelOf(samples));
      frame = requestAnimationFrame(measure);
    };
    measure();
    // Browsers let a page make and hear sound only after its person has touched it.
    const wake = () => void context.resume();
    for (const event of ["pointerdown", "keydown"]) addEventListener(event, wake, { once: true });
    return () => {
      cancelAnimationFrame(frame);
      for (const event of ["pointerdown", "keydown"]) removeEventListener(event, wake);
      void context.close();
    };
  }, [track]);
}

/** The square root makes quiet speech visible. */
export function levelOf(samples: Float32Array): number {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, samples.length);
  return Math.min(1, Math.sqrt(Math.sqrt(power) / FULL_RMS));
}
