// What the SDK's notifier emits, in order.

import assert from "node:assert/strict";
import { type ExpectedEvents, type FishjamConfig, FishjamWSNotifier } from "@fishjam-cloud/js-server-sdk";
import { eventually } from "../../e2e/harness/patience";

const EVENTS: ExpectedEvents[] = [
  "roomCreated",
  "roomDeleted",
  "roomCrashed",
  "peerAdded",
  "peerDeleted",
  "peerConnected",
  "peerDisconnected",
  "peerMetadataUpdated",
  "peerCrashed",
  "streamConnected",
  "streamDisconnected",
  "viewerConnected",
  "viewerDisconnected",
  "trackAdded",
  "trackRemoved",
  "trackMetadataUpdated",
];

// biome-ignore lint/suspicious/noExplicitAny: every event has fields of its own.
type Notice = { event: ExpectedEvents; message: any };

export class Notices {
  private readonly all: Notice[] = [];
  private closing: { code: number; reason: string } | null = null;
  private readonly notifier: FishjamWSNotifier;

  constructor(config: FishjamConfig) {
    this.notifier = new FishjamWSNotifier(
      config,
      () => {},
      (code, reason) => {
        this.closing = { code, reason };
      },
    );
    for (const event of EVENTS) this.notifier.on(event, (message: unknown) => this.all.push({ event, message }));
  }

  /** Resolves when it surely listens: the SDK does not tell, so a room of its own has to be heard of. */
  static async listen(config: FishjamConfig, makeRoom: () => Promise<string>): Promise<Notices> {
    const notices = new Notices(config);
    await eventually("the notifier hears of a room", async () => {
      const room = await makeRoom();
      await new Promise((resolve) => setTimeout(resolve, 50));
      return notices.of(room).length > 0;
    });
    return notices;
  }

  of(room: string): Notice[] {
    return this.all.filter(({ message }) => message.roomId === room);
  }

  /** Waits until there are as many about the room; they have to be exactly these, in this order. */
  async sequence(room: string, ...events: ExpectedEvents[]): Promise<Notice[]> {
    await eventually(events.join(), () => this.of(room).length >= events.length).catch(() => null);
    assert.deepEqual(
      this.of(room).map(({ event }) => event),
      events,
    );
    return this.of(room);
  }

  closed(): Promise<{ code: number; reason: string }> {
    return eventually("the notifier is sent away", () => this.closing);
  }

  stop(): void {
    // The SDK keeps its socket to itself.
    (this.notifier as unknown as { client: { close(): void } }).client.close();
  }
}
