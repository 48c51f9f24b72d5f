// Two people in one room who tell what they see of each other and of components: a JSON line every 250 ms, on the clock that all processes of this machine
// share. Whatever becomes of the servers, they stay; a page whose client gave up is loaded again, as a person would do.

import type { Browser } from "playwright-core";
import { Api, type Place } from "../harness/api";
import { launch } from "../harness/browser";
import { PageServer } from "../harness/page-server";
import { Peer } from "../harness/peer";

const EVERY_MS = 250;

/** A page that cannot join waits so long before it tries again. */
const AGAIN_MS = 1_000;

/** After these the client does nothing more by itself. */
const GIVEN_UP = ["reconnectionRetriesLimitReached", "authError", "joinError"];

/** Who is no component. */
const people = new Set<string>();

class Person {
  /** Pictures of people, and of components. */
  decoded = 0;
  shown = 0;
  /** Tracks of components: there now, and of those that were added so far. */
  components = 0;
  added = 0;
  reloads = 0;
  private peer: Peer | null = null;
  private readonly last = new Map<string, number>();

  /** Stays in the room until the process ends. */
  async stay(browser: Browser, pages: string, url: string, place: Place): Promise<never> {
    for (;;) {
      this.peer = await Peer.open(browser, pages, place.peer);
      const joined = await this.peer.join(url, place);
      if (joined && (await this.published())) await this.givenUp();
      await this.peer.close();
      this.reloads += 1;
      await pause(AGAIN_MS);
    }
  }

  async look(): Promise<void> {
    const tracks = (await this.peer?.tracks().catch(() => null)) ?? [];
    for (const { id, peer, framesDecoded } of tracks) {
      const fresh = Math.max(0, framesDecoded - (this.last.get(id) ?? 0));
      this.last.set(id, framesDecoded);
      if (people.has(peer)) this.decoded += fresh;
      else this.shown += fresh;
    }
    this.components = tracks.filter(({ peer }) => !people.has(peer)).length;
    this.added = (await this.peer?.addedTracks([...people]).catch(() => null)) ?? this.added;
  }

  private async published(): Promise<boolean> {
    return (await this.peer?.publishCamera().catch(() => null)) != null;
  }

  private async givenUp(): Promise<void> {
    for (;;) {
      const events = (await this.peer?.happenings().catch(() => [])) ?? [];
      if (events.some(({ event }) => GIVEN_UP.includes(event))) return;
      await pause(EVERY_MS);
    }
  }
}

const [origin = "", token = "", room = ""] = process.argv.slice(2);
const path = "/api/v1/connect/faults";
const api = new Api(origin + path, token);
const [browser, pages] = await Promise.all([launch(), PageServer.start()]);
process.once("SIGTERM", () => browser.close().finally(() => process.exit(0)));
const persons = [new Person(), new Person()];
for (const person of persons) {
  const place = await api.addPeer(room);
  people.add(place.peer);
  person.stay(browser, pages.url, origin.replace(/^http/, "ws") + path, place).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}
for (;;) {
  await Promise.all([...persons.map((person) => person.look()), pause(EVERY_MS)]);
  const line = {
    at_ms: Number(process.hrtime.bigint() / 1_000n) / 1_000,
    decoded: persons.map(({ decoded }) => decoded),
    shown: persons.map(({ shown }) => shown),
    components: persons.map(({ components }) => components),
    added: persons.map(({ added }) => added),
    reloads: persons.reduce((sum, { reloads }) => sum + reloads, 0),
  };
  console.log(JSON.stringify(line));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
