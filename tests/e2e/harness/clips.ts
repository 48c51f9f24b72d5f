// Files that a gateway plays into rooms, made by ffmpeg: a moving test picture and a tone.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const CLIP = { width: 640, height: 360, fps: 25 };

export const PICTURES = "moving.h264";
export const TONE = "tone.ogg";
/** Both. */
export const MOVIE = "movie.mp4";

export const CLIP_SECONDS = 4;

/** Makes them in a directory of their own. */
export function makeClips(): string {
  const directory = mkdtempSync(join(tmpdir(), "velella-clips-"));
  const { width, height, fps } = CLIP;
  const picture = `testsrc2=size=${width}x${height}:rate=${fps}`;
  const h264 = ["-c:v", "libx264", "-profile:v", "baseline", "-tune", "zerolatency", "-g", String(fps)];
  ffmpeg(directory, picture, [...h264, "-bsf:v", "h264_mp4toannexb", "-f", "h264", PICTURES]);
  ffmpeg(directory, "sine=frequency=440:sample_rate=48000", ["-c:a", "libopus", "-ac", "2", TONE]);
  execFileSync("ffmpeg", ["-v", "error", "-i", PICTURES, "-i", TONE, "-c:v", "copy", "-c:a", "aac", MOVIE], {
    cwd: directory,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return directory;
}

/** Makes a certificate for encoders in TLS, which look at no authority, and its key; the flags that name both. */
export function makeCertificate(directory: string): string[] {
  const [certificate, key] = [join(directory, "encoders.pem"), join(directory, "encoders.key")];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=encoders"];
  execFileSync("openssl", ["req", ...kind, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  return ["--rtmps-cert", certificate, "--rtmps-key", key];
}

export function removeClips(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

function ffmpeg(directory: string, source: string, output: string[]): void {
  const input = ["-v", "error", "-f", "lavfi", "-i", source, "-t", String(CLIP_SECONDS)];
  execFileSync("ffmpeg", [...input, ...output], { cwd: directory, stdio: ["ignore", "inherit", "inherit"] });
}
