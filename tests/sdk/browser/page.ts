// The page of a peer: the published client, unmodified, that makes tones and says which tones it hears.
// `Handles` is what the driver calls.

import { FishjamClient, type TrackMetadata } from "@fishjam-cloud/ts-client";

type Metadata = Record<string, unknown>;

const client = new FishjamClient<Metadata>();
let sound: AudioContext | null = null;
/** By track id, what listens to it. */
const ears = new Map<string, AnalyserNode>();

/** About 6 Hz per line of the spectrum at 48 kHz. */
const SPECTRUM_SAMPLES = 8_192;
/** Quieter than any tone of the tests, louder than the noise of an encoder. */
const SILENCE_DB = -60;

const handles = {
  /** Whether the client got in. */
  connect(url: string, token: string, peerMetadata: Metadata): Promise<boolean> {
    return client.connect({ url, token, peerMetadata }).then(
      () => true,
      () => false,
    );
  },
  disconnect: () => client.disconnect(),

  async publishTone(hz: number, metadata: TrackMetadata): Promise<string> {
    const context = await hearing();
    const tone = new OscillatorNode(context, { frequency: hz });
    const out = context.createMediaStreamDestination();
    tone.connect(new GainNode(context, { gain: 0.5 })).connect(out);
    tone.start();
    return client.addTrack(only(out.stream), metadata);
  },
  async publishCamera(metadata: TrackMetadata): Promise<string> {
    const video = { width: 320, height: 180, frameRate: 15 };
    return client.addTrack(only(await navigator.mediaDevices.getUserMedia({ video })), metadata);
  },
  updateTrack: (id: string, metadata: TrackMetadata) => client.updateTrackMetadata(id, metadata),
  removeTrack: (id: string) => client.removeTrack(id),
  openChannels: () => client.createDataChannels(),

  remoteTracks: () =>
    Object.values(client.getRemoteTracks()).map(({ trackId, endpoint, metadata, track }) => ({
      id: trackId,
      peer: endpoint.id,
      metadata: metadata ?? null,
      ready: track !== null,
    })),
  /** The loudest tone of a remote track in Hz, or null while it is silent. */
  heard(id: string): number | null {
    const ear = ears.get(id);
    if (!ear) return null;
    const spectrum = new Float32Array(ear.frequencyBinCount);
    ear.getFloatFrequencyData(spectrum);
    const loudest = spectrum.reduce((best, level, at) => (level > (spectrum[best] ?? -Infinity) ? at : best), 0);
    if ((spectrum[loudest] ?? -Infinity) < SILENCE_DB) return null;
    return (loudest * ear.context.sampleRate) / SPECTRUM_SAMPLES;
  },
};

export type Handles = typeof handles;
Object.assign(window, { handles });

client.on("trackReady", async ({ trackId, track }) => {
  if (track?.kind !== "audio") return;
  const stream = new MediaStream([track]);
  // The graph gets sound of a remote track only while an element plays it.
  const element = Object.assign(new Audio(), { srcObject: stream, muted: true });
  await element.play();
  const context = await hearing();
  const ear = new AnalyserNode(context, { fftSize: SPECTRUM_SAMPLES, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(stream).connect(ear);
  ears.set(trackId, ear);
});

async function hearing(): Promise<AudioContext> {
  sound ??= new AudioContext({ sampleRate: 48_000 });
  await sound.resume();
  return sound;
}

function only(stream: MediaStream): MediaStreamTrack {
  const [track] = stream.getTracks();
  if (!track) throw new Error("a stream without a track");
  return track;
}
