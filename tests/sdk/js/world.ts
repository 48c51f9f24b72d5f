// One server and one browser for all files. Its peers: raw sockets where a back end only hears of them, real browsers
// where there is sound.

import { after, test } from "node:test";
import { FishjamClient, type RoomId } from "@fishjam-cloud/js-server-sdk";
import type { Browser, Page } from "playwright-core";
import { WebSocket } from "ws";
import { launch } from "../../e2e/harness/browser";
import { PageServer } from "../../e2e/harness/page-server";
import { eventually, PATIENCE_MS } from "../../e2e/harness/patience";
import { frames } from "../../e2e/harness/protobuf";
import { MANAGEMENT_TOKEN, Server } from "../../e2e/harness/server";
import type { Handles } from "../browser/page";

// The SDK takes the platform's sockets, which Node.js has from 22 on.
Object.assign(globalThis, { WebSocket: globalThis.WebSocket ?? WebSocket });

declare global {
  interface Window {
    handles: Handles;
  }
}

export const WEBHOOK_SECRET = "a secret that only the webhooks' receiver knows";
process.env.VELELLA_WEBHOOK_SECRET = WEBHOOK_SECRET;

let server: Promise<Server> | null = null;
let browser: Promise<Browser> | null = null;
let pages: Promise<PageServer> | null = null;

after(async () => {
  await (await browser)?.close();
  (await pages)?.stop();
  await (await server)?.stop();
});

export interface Stage {
  /** What the SDK calls the Fishjam ID. */
  base: string;
  origin: string;
  fishjam: FishjamClient;
  config: { fishjamId: string; managementToken: string };
}

export function scenario(name: string, play: (stage: Stage) => Promise<void>): void {
  test(name, { timeout: 3 * PATIENCE_MS }, async () => {
    const running = await raised();
    const base = running.base("http");
    const config = { fishjamId: base, managementToken: MANAGEMENT_TOKEN };
    await play({ base, origin: running.origin, fishjam: new FishjamClient(config), config });
    if (!running.alive) throw new Error("the server died");
  });
}

function raised(): Promise<Server> {
  server ??= Server.start().then(async (started) => {
    await started.ready();
    return started;
  });
  return server;
}

/** The token of a peer that opens a socket and joins; resolves when the server has let it in. */
export async function enter(base: string, token: string): Promise<{ hangUp(): void }> {
  const socket = new WebSocket(`${base.replace("http", "ws")}/socket/peer/websocket`);
  let frame = 0;
  socket.on("message", () => {
    frame += 1;
  });
  await new Promise((opened, failed) => socket.once("open", opened).once("error", failed));
  socket.send(new Uint8Array(frames.auth(token)));
  socket.send(new Uint8Array(frames.connect()));
  await eventually("it is authenticated and connected", () => frame >= 2);
  return { hangUp: () => socket.close() };
}

/** A page with the published client, in the room. */
export async function open(base: string, token: string): Promise<Page> {
  browser ??= launch();
  pages ??= PageServer.start();
  const page = await (await (await browser).newContext()).newPage();
  await page.goto((await pages).url);
  const joined = await page.evaluate(([u, t]) => window.handles.connect(u, t, {}), [
    base.replace("http", "ws"),
    token,
  ] as const);
  if (!joined) throw new Error("the page was not let in");
  return page;
}

/** An id of the right form that nobody has. */
export const NOWHERE = "515c8b52-168b-4b39-a227-4d6b4f102a56" as RoomId;
