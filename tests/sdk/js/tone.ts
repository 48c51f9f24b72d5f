// Tones as PCM16, little-endian, mono: made, and looked for.

const LOUDNESS = 12_000;

/** A sine that goes on where one of `start` seconds has ended. */
export function tone(hz: number, rate: number, seconds: number, start = 0): Uint8Array {
  const first = Math.round(start * rate);
  const samples = Int16Array.from({ length: Math.round(seconds * rate) }, (_, n) =>
    Math.round(LOUDNESS * Math.sin((2 * Math.PI * hz * (first + n)) / rate)),
  );
  return new Uint8Array(samples.buffer);
}

/** How much of the sound's energy is this tone: 1 for a pure one, near 0 for silence and for others. */
export function share(pcm: Uint8Array, hz: number, rate: number): number {
  const view = new DataView(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  const count = Math.floor(pcm.byteLength / 2);
  let [energy, real, imaginary] = [0, 0, 0];
  for (let n = 0; n < count; n += 1) {
    const sample = view.getInt16(2 * n, true);
    const turn = (2 * Math.PI * hz * n) / rate;
    energy += sample * sample;
    real += sample * Math.cos(turn);
    imaginary += sample * Math.sin(turn);
  }
  // Not even one step up and down.
  if (energy < count) return 0;
  return (2 * (real * real + imaginary * imaginary)) / (count * energy);
}
