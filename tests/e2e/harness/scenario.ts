// A scenario: a test with a fresh stage. All scenarios share one server, one Chromium and one page server.

import { writeFileSync } from "node:fs";
import { after, test } from "node:test";
import type { Browser, BrowserContext } from "playwright-core";
import { Api, type PeerOptions, type Place, type RoomConfig } from "./api";
import { launch } from "./browser";
import { PageServer } from "./page-server";
import { PATIENCE_MS } from "./patience";
import { Peer } from "./peer";
import { Server } from "./server";

/** A scenario may lose its patience a few times over before it is called stuck. */
const SCENARIO_MS = 5 * PATIENCE_MS;

interface World {
  server: Server;
  browser: Browser;
  pages: PageServer;
}

let world: Promise<World> | null = null;

after(async () => {
  const { server, browser, pages } = (await world?.catch(() => null)) ?? {};
  await browser?.close();
  pages?.stop();
  await server?.stop();
});

export function scenario(name: string, play: (stage: Stage) => Promise<void>): void {
  test(name, { timeout: SCENARIO_MS }, async () => {
    world ??= raise();
    const stage = new Stage(await world);
    try {
      await play(stage);
      await stage.check();
    } catch (error) {
      await stage.record(name, error);
      throw error;
    } finally {
      await stage.clear();
    }
  });
}

export class Stage {
  readonly server: Server;
  readonly browser: Browser;
  readonly api: Api;
  private readonly pages: PageServer;
  private readonly peers: Peer[] = [];
  private readonly closers: (() => unknown)[] = [];

  constructor({ server, browser, pages }: World) {
    this.server = server;
    this.browser = browser;
    this.pages = pages;
    this.api = new Api(server.base("http"));
  }

  room(config: RoomConfig = { videoCodec: "vp8" }): Promise<string> {
    return this.api.createRoom(config);
  }

  /** A page that has not joined. */
  async page(name: string): Promise<Peer> {
    const peer = await Peer.open(this.browser, this.pages.url, name);
    this.peers.push(peer);
    return peer;
  }

  /** A page that is in the room. */
  async enter(room: string, name: string, options?: PeerOptions): Promise<Peer> {
    const [peer, place] = await Promise.all([this.page(name), this.api.addPeer(room, options)]);
    await this.admit(peer, place);
    return peer;
  }

  async admit(peer: Peer, place: Place, origin?: string): Promise<void> {
    if (!(await peer.join(this.server.base("ws", origin), place)))
      throw new Error(`${peer.name} was not let in\n${await peer.diary()}`);
  }

  /** A context for the product page. */
  async guest(options: Parameters<Browser["newContext"]>[0] = {}): Promise<BrowserContext> {
    const context = await this.browser.newContext(options);
    context.setDefaultTimeout(PATIENCE_MS);
    this.atEnd(() => context.close());
    return context;
  }

  atEnd(close: () => unknown): void {
    this.closers.push(close);
  }

  /** What must hold after every scenario: the server lives, and the client never met an event that it could not place. */
  async check(): Promise<void> {
    if (!this.server.alive) throw new Error("the server died");
    for (const peer of this.peers) {
      const uncaught = await peer.uncaught().catch(() => []);
      if (uncaught.length > 0) throw new Error(`uncaught in the page of ${peer.name}: ${uncaught.join(", ")}`);
    }
  }

  async record(name: string, error: unknown): Promise<void> {
    const diaries = await Promise.all(this.peers.map((peer) => peer.diary()));
    const text = [name, error instanceof Error ? error.stack : String(error), ...diaries].join("\n\n");
    writeFileSync(`artifacts/${name.replaceAll(/\W+/g, "-")}.txt`, `${text}\n`);
  }

  async clear(): Promise<void> {
    await Promise.all(this.peers.map((peer) => peer.close().catch(() => undefined)));
    for (const close of this.closers.reverse()) await close();
  }
}

async function raise(): Promise<World> {
  const server = await Server.start();
  try {
    const [browser, pages] = await Promise.all([launch(), PageServer.start(), server.ready()]);
    return { server, browser, pages };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
