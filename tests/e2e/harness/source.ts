// Sources of media that are no browsers: a camera (GStreamer's RTSP server) and an encoder (ffmpeg).

import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { CLIP } from "./clips";

const CAMERA = resolve("../fixtures/camera.py");

/** Its Python is Debian's, which has the bindings. */
const PYTHON = "/usr/bin/python3";

export interface Camera {
  url: string;
  /** Pulls its plug. */
  stop(): void;
}

/** A camera with a moving ball, in 640x360 at /main and smaller at /sub. */
export async function camera(options: string[] = [], port = "0"): Promise<Camera> {
  const process = spawn(PYTHON, [CAMERA, "--port", port, ...options], { stdio: ["pipe", "pipe", "inherit"] });
  const bound = await firstLine(process);
  return { url: `rtsp://127.0.0.1:${bound}/main`, stop: () => process.kill("SIGKILL") };
}

export interface Encoder {
  /** What it said on its way out, or so far. */
  said(): string;
  ended: Promise<number | null>;
  stop(): void;
}

/** An encoder that publishes a test picture and a tone to an RTMP or SRT address. */
export function encoder(address: string, options: string[] = []): Encoder {
  const { width, height, fps } = CLIP;
  const picture = ["-re", "-f", "lavfi", "-i", `testsrc2=size=${width}x${height}:rate=${fps}`];
  const sound = ["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100"];
  const h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"];
  const encoded = [...h264, "-g", String(fps), ...options, "-c:a", "aac", "-ac", "2"];
  const output = [...encoded, "-f", address.startsWith("srt:") ? "mpegts" : "flv", address];
  const process = spawn("ffmpeg", ["-v", "error", ...picture, ...sound, ...output], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  process.stderr?.on("data", (text) => {
    said += text;
  });
  const ended = new Promise<number | null>((done) => process.once("exit", done));
  return { said: () => said, ended, stop: () => process.kill("SIGKILL") };
}

function firstLine(process: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    if (!process.stdout) return failed(new Error("it has no output"));
    createInterface(process.stdout).once("line", found);
    process.once("exit", (code) => failed(new Error(`the camera ended with ${code}`)));
  });
}
