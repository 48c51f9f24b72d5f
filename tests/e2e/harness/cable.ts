// A TCP cable between a page and the server that can be cut, the way a train in a tunnel cuts it: no closing handshake.
// Only the socket runs through it; media goes its own way.

import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class Cable {
  private readonly ends = new Set<Socket>();
  private readonly listener: Server;

  private constructor(listener: Server) {
    this.listener = listener;
  }

  static async to(origin: string): Promise<Cable> {
    const { hostname, port } = new URL(origin);
    const cable = new Cable(createServer((near) => cable.plug(near, connect(Number(port), hostname))));
    await new Promise<void>((listening) => cable.listener.listen(0, "127.0.0.1", listening));
    return cable;
  }

  /** What stands in for the server's origin. */
  get origin(): string {
    return `http://127.0.0.1:${(this.listener.address() as AddressInfo).port}`;
  }

  /** Cuts what runs through it now; new connections work. */
  cut(): void {
    for (const end of this.ends) end.destroy();
  }

  close(): void {
    this.listener.close();
    this.cut();
  }

  private plug(near: Socket, far: Socket): void {
    for (const [end, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.ends.add(end);
      end.pipe(other);
      end.on("error", () => other.destroy());
      end.on("close", () => {
        this.ends.delete(end);
        other.destroy();
      });
    }
  }
}
