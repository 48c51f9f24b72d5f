// Who streams and who watches: pages with the published functions for livestreams.

import type { Watched } from "../page/live";
import type { Picture } from "../page/sources";
import type { Api } from "./api";
import { eventually } from "./patience";
import { type Peer, SMALL } from "./peer";

const FRAMES_ENOUGH = 10;
const AUDIBLE = 1e-4;

/** The addresses that published clients derive from the origin. */
export const whip = (origin: string) => `${origin}/api/v1/live/api/whip`;
export const whep = (origin: string, room?: string) => `${origin}/api/v1/live/api/whep${room ? `/${room}` : ""}`;

/** What goes wrong is thrown in the words of the published client. */
export async function stream(page: Peer, url: string, token: string, picture: Picture = SMALL): Promise<void> {
  fine(await page.page.evaluate(([u, t, p]) => window.handles.live.stream(u, t, p), [url, token, picture] as const));
}

export async function streamSimulcast(page: Peer, url: string, token: string, picture: Picture): Promise<void> {
  const args = [url, token, picture] as const;
  fine(await page.page.evaluate(([u, t, p]) => window.handles.live.streamSimulcast(u, t, p), args));
}

export async function encode(page: Peer, url: string, token: string): Promise<void> {
  fine(await page.page.evaluate(([u, t, p]) => window.handles.live.encode(u, t, p), [url, token, SMALL] as const));
}

/** The server's user names before and after. */
export function restartIce(page: Peer): Promise<[string, string]> {
  return page.page.evaluate(() => window.handles.live.restartIce());
}

export async function watch(page: Peer, url: string, token?: string): Promise<void> {
  fine(await page.page.evaluate(([u, t]) => window.handles.live.watch(u, t), [url, token] as const));
}

export function end(page: Peer): Promise<void> {
  return page.page.evaluate(() => window.handles.live.end());
}

export function watched(page: Peer): Promise<Watched> {
  return page.page.evaluate(() => window.handles.live.watched());
}

/** Waits for new pictures, of that width if one is given. */
export async function sees(page: Peer, width?: number): Promise<Watched> {
  const before = (await watched(page)).framesDecoded;
  return eventually(`${page.name} sees the stream`, async () => {
    const now = await watched(page);
    const enough = now.framesDecoded >= before + FRAMES_ENOUGH;
    return enough && (!width || now.frameWidth === width) ? now : null;
  });
}

/** Waits for new sound. */
export async function hears(page: Peer): Promise<Watched> {
  const before = (await watched(page)).audioEnergy;
  return eventually(`${page.name} hears the stream`, async () => {
    const now = await watched(page);
    return now.audioEnergy > before + AUDIBLE ? now : null;
  });
}

/** How many stream and watch, as the API lists them. */
export async function members(api: Api, room: string): Promise<[number, number]> {
  const { streamers, viewers } = await api.stream(room);
  const isConnected = ({ status }: { status?: string }) => status === "connected";
  return [streamers.filter(isConnected).length, viewers.length];
}

function fine(error: string): void {
  if (error !== "") throw new Error(error);
}
