// Serves the test page on loopback, which browsers count as a secure place: cameras open there.

import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

const HTML = '<!doctype html><meta charset="utf-8"><title>peer</title><script src="/page.js"></script>';

export class PageServer {
  readonly url: string;
  private readonly http: Server;

  private constructor(http: Server) {
    this.http = http;
    this.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`;
  }

  static async start(): Promise<PageServer> {
    const script = await readFile("build/page.js");
    const http = createServer((request, response) => {
      const isScript = request.url === "/page.js";
      response.setHeader("content-type", isScript ? "text/javascript; charset=utf-8" : "text/html; charset=utf-8");
      response.end(isScript ? script : HTML);
    });
    await new Promise<void>((listening) => http.listen(0, "127.0.0.1", listening));
    return new PageServer(http);
  }

  stop(): void {
    this.http.closeAllConnections();
    this.http.close();
  }
}
