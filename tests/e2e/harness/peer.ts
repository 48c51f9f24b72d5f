// A peer: one page with the published client, told what to do and asked what it sees.

import type { Browser, BrowserContext, Page } from "playwright-core";
import type { Handles, Happening, Rid, SendingLine } from "../page/page";
import type { RemoteTrack } from "../page/remote";
import type { Picture } from "../page/sources";
import type { Place } from "./api";
import { eventually, PATIENCE_MS } from "./patience";

declare global {
  interface Window {
    handles: Handles;
  }
}

/** Small enough that encoders never scale it down, and that four of them fit on two cores. */
export const SMALL: Picture = { width: 320, height: 180, fps: 15 };

/** More energy than the noise of a silent line, less than a fraction of a beep. */
const AUDIBLE = 1e-4;
const FRAMES_ENOUGH = 5;

type Type = "camera" | "microphone" | "screenShareVideo" | "screenShareAudio" | "customVideo";

export class Peer {
  readonly name: string;
  readonly page: Page;
  /** What the page said on its console. */
  readonly complaints: string[] = [];
  /** Set by `join`. */
  place: Place | null = null;
  private readonly context: BrowserContext;

  private constructor(name: string, context: BrowserContext, page: Page) {
    this.name = name;
    this.context = context;
    this.page = page;
    page.on("console", (message) => this.complaints.push(`${message.type()}: ${message.text()}`));
  }

  static async open(browser: Browser, url: string, name: string): Promise<Peer> {
    const context = await browser.newContext();
    context.setDefaultTimeout(PATIENCE_MS);
    const peer = new Peer(name, context, await context.newPage());
    await peer.page.goto(url);
    return peer;
  }

  /** Where it joined. */
  get seat(): Place {
    if (!this.place) throw new Error(`${this.name} has not joined`);
    return this.place;
  }

  get id(): string {
    return this.place?.peer ?? "";
  }

  /** Whether the server let it in. */
  join(url: string, place: Place): Promise<boolean> {
    this.place = place;
    return this.page.evaluate(([u, t, n]) => window.handles.connect(u, t, n), [url, place.token, this.name] as const);
  }

  leave(): Promise<void> {
    return this.page.evaluate(() => window.handles.disconnect());
  }

  /** As when the window is closed. */
  close(): Promise<void> {
    return this.context.close();
  }

  publishCamera(picture: Picture = SMALL): Promise<string> {
    return this.page.evaluate((p) => window.handles.publishCamera(p), picture);
  }

  publishMicrophone(): Promise<string> {
    return this.page.evaluate(() => window.handles.publishMicrophone());
  }

  publishScreen(picture: Picture): Promise<string> {
    return this.page.evaluate((p) => window.handles.publishScreen(p), picture);
  }

  /** A tone, silent at first; `sound` makes it heard. */
  publishTone(type: Type): Promise<string> {
    return this.page.evaluate((t) => window.handles.publishTone(t), type);
  }

  sound(id: string, loudness: number): Promise<void> {
    return this.page.evaluate(([i, l]) => window.handles.sound(i, l), [id, loudness] as const);
  }

  publishDrawn(picture: Picture): Promise<string> {
    return this.page.evaluate((p) => window.handles.publishDrawn(p), picture);
  }

  publishSimulcast(picture: Picture): Promise<string> {
    return this.page.evaluate((p) => window.handles.publishSimulcast(p), picture);
  }

  /** Camera and microphone, the way a person joins. */
  async publish(picture: Picture = SMALL): Promise<{ camera: string; microphone: string }> {
    const [camera, microphone] = await Promise.all([this.publishCamera(picture), this.publishMicrophone()]);
    return { camera, microphone };
  }

  removeTrack(id: string): Promise<void> {
    return this.page.evaluate((i) => window.handles.removeTrack(i), id);
  }

  mute(id: string, type: Type): Promise<void> {
    return this.page.evaluate(([i, t]) => window.handles.mute(i, t), [id, type] as const);
  }

  unmute(id: string, type: Type): Promise<void> {
    return this.page.evaluate(([i, t]) => window.handles.unmute(i, t), [id, type] as const);
  }

  replace(id: string, picture: Picture): Promise<void> {
    return this.page.evaluate(([i, p]) => window.handles.replace(i, p), [id, picture] as const);
  }

  target(id: string, rid: Rid): Promise<void> {
    return this.page.evaluate(([i, r]) => window.handles.target(i, r), [id, rid] as const);
  }

  openChannels(): Promise<void> {
    return this.page.evaluate(() => window.handles.openChannels());
  }

  say(text: string, reliable: boolean): Promise<void> {
    return this.page.evaluate(([t, r]) => window.handles.say(t, r), [text, reliable] as const);
  }

  texts(): Promise<{ reliable: boolean; text: string }[]> {
    return this.page.evaluate(() => window.handles.texts());
  }

  rawMessages(): Promise<{ label: string; bytes: number[] }[]> {
    return this.page.evaluate(() => window.handles.rawMessages());
  }

  /** The lines on which it would like to send. */
  sendingLines(): Promise<SendingLine[]> {
    return this.page.evaluate(() => window.handles.sendingLines());
  }

  tracks(): Promise<RemoteTrack[]> {
    return this.page.evaluate(() => window.handles.remoteTracks());
  }

  /** How many tracks were added so far, without those of certain endpoints. */
  addedTracks(without: string[]): Promise<number> {
    return this.page.evaluate((ids) => window.handles.addedTracks(ids), without);
  }

  peers(): Promise<{ id: string; name: string | undefined }[]> {
    return this.page.evaluate(() => window.handles.remotePeers());
  }

  happenings(): Promise<Happening[]> {
    return this.page.evaluate(() => window.handles.happenings());
  }

  async happened(event: string): Promise<Happening[]> {
    return (await this.happenings()).filter((happening) => happening.event === event);
  }

  sockets(): Promise<number> {
    return this.page.evaluate(() => window.handles.sockets());
  }

  async track(id: string): Promise<RemoteTrack | undefined> {
    return (await this.tracks()).find((track) => track.id === id);
  }

  /** Waits until new frames of the track are decoded, in that size if one is given. */
  async decodes(id: string, size?: { width: number; height: number }): Promise<RemoteTrack> {
    const before = (await this.track(id))?.framesDecoded ?? 0;
    const what = `${this.name} decodes ${id}${size ? ` in ${size.width}x${size.height}` : ""}`;
    return eventually(what, async () => {
      const track = await this.track(id);
      if (!track || track.framesDecoded < before + FRAMES_ENOUGH) return null;
      return !size || (track.frameWidth === size.width && track.frameHeight === size.height) ? track : null;
    }).catch((error) => this.explain(error, id));
  }

  /** Waits until more sound of the track is heard. */
  async hears(id: string): Promise<RemoteTrack> {
    const before = (await this.track(id))?.audioEnergy ?? 0;
    return eventually(`${this.name} hears ${id}`, async () => {
      const track = await this.track(id);
      return track && track.audioEnergy > before + AUDIBLE ? track : null;
    }).catch((error) => this.explain(error, id));
  }

  /** Errors that nobody in the page handled. */
  async uncaught(): Promise<string[]> {
    const happenings = await this.happenings();
    return happenings.flatMap(({ event, detail }, at) =>
      event === "uncaught" && !isLateTrack(happenings.slice(0, at), detail) ? [String(detail)] : [],
    );
  }

  /** What the page went through, for a test that failed. */
  async diary(): Promise<string> {
    const happenings = await this.happenings().catch(() => []);
    const lines = happenings.map(
      ({ at, event, detail }) => `${new Date(at).toISOString()} ${event} ${JSON.stringify(detail)}`,
    );
    return [`--- ${this.name} ${this.id}`, ...lines, ...this.complaints].join("\n");
  }

  private async explain(error: Error, id: string): Promise<never> {
    error.message += `\n${JSON.stringify((await this.track(id)) ?? (await this.tracks()))}`;
    throw error;
  }
}

/**
 * The one error that the client makes by itself: a track that is removed while the browser still applies the answer that
 * brought it. The server has sent both in order, and cannot know when the browser is done.
 */
function isLateTrack(before: Happening[], detail: unknown): boolean {
  const last = (event: string) => before.findLastIndex((happening) => happening.event === event);
  return /Remote track with \d+ not found/.test(String(detail)) && last("trackRemoved") > last("<- sdpAnswer");
}
