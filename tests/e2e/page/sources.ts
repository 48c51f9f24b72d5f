// Where the test peers' pictures and sounds come from.

export interface Picture {
  width: number;
  height: number;
  fps: number;
}

/** Chromium's fake camera: a picture that changes with every frame. */
export async function camera({ width, height, fps }: Picture): Promise<MediaStreamTrack> {
  const video = { width: { exact: width }, height: { exact: height }, frameRate: { max: fps } };
  return only(await navigator.mediaDevices.getUserMedia({ video }));
}

/** Chromium's fake microphone: a beep every half second. */
export async function microphone(): Promise<MediaStreamTrack> {
  return only(await navigator.mediaDevices.getUserMedia({ audio: true }));
}

/** A shared screen. Headless browsers have one only sometimes; a drawn one takes its place. */
export async function screen(picture: Picture): Promise<MediaStreamTrack> {
  const { width, height, fps } = picture;
  const video = { width: { max: width }, height: { max: height }, frameRate: { max: fps } };
  const shared = await navigator.mediaDevices.getDisplayMedia({ video }).catch(() => null);
  if (!shared) return drawn(picture);
  const track = only(shared);
  // Readable rather than smooth: the encoder keeps the size.
  track.contentHint = "detail";
  return track;
}

/** Sound that goes on, as of a film on a shared screen; silent while `gain` is 0. */
export function tone(): { track: MediaStreamTrack; gain: AudioParam } {
  const context = new AudioContext();
  const oscillator = new OscillatorNode(context, { frequency: 440 });
  const volume = new GainNode(context, { gain: 0 });
  const destination = context.createMediaStreamDestination();
  oscillator.connect(volume).connect(destination);
  oscillator.start();
  return { track: only(destination.stream), gain: volume.gain };
}

/** A drawn picture of exactly this size; encoders keep the size of details. */
export function drawn({ width, height, fps }: Picture): MediaStreamTrack {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("no canvas");
  let frame = 0;
  const draw = () => {
    frame += 1;
    pen.fillStyle = `hsl(${(frame * 7) % 360} 60% 45%)`;
    pen.fillRect(0, 0, width, height);
    pen.fillStyle = "white";
    pen.font = `${height / 3}px sans-serif`;
    pen.fillText(String(frame), width / 8, height / 2);
  };
  draw();
  const track = only(canvas.captureStream(fps));
  const clock = setInterval(() => (track.readyState === "live" ? draw() : clearInterval(clock)), 1_000 / fps);
  track.contentHint = "detail";
  return track;
}

function only(stream: MediaStream): MediaStreamTrack {
  const [track] = stream.getTracks();
  if (!track) throw new Error("a stream without a track");
  return track;
}
