// Real browser peers for tests in another language: one JSON line per order on standard input, one per answer on
// standard output. Orders run one by one; ends with its input.
//
//   {"id": 1, "page": "ann", "call": "open"}                        {"id": 1, "answer": null}
//   {"id": 2, "page": "ann", "call": "publishTone", "with": [440]}  {"id": 2, "error": "…"}

import { createInterface } from "node:readline";
import type { Page } from "playwright-core";
import { launch } from "../../e2e/harness/browser";
import { PageServer } from "../../e2e/harness/page-server";

interface Order {
  id: number;
  page: string;
  call: string;
  with?: unknown[];
}

const [browser, server] = await Promise.all([launch(), PageServer.start()]);
const pages = new Map<string, Page>();

for await (const line of createInterface(process.stdin)) {
  const order: Order = JSON.parse(line);
  const outcome = await obey(order).then(
    (answer) => ({ answer: answer ?? null }),
    (error: unknown) => ({ error: String(error) }),
  );
  console.log(JSON.stringify({ id: order.id, ...outcome }));
}
await browser.close();
server.stop();

async function obey({ page: name, call, with: args = [] }: Order): Promise<unknown> {
  if (call === "open") return open(name);
  const page = pages.get(name);
  if (!page) throw new Error(`no page ${name}`);
  if (call === "close") {
    pages.delete(name);
    return page.context().close();
  }
  return page.evaluate(
    ([name, given]) => {
      const { handles } = window as unknown as { handles: Record<string, (...given: unknown[]) => unknown> };
      return handles[name]?.(...given);
    },
    [call, args] as const,
  );
}

async function open(name: string): Promise<void> {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on("console", (message) => console.error(`${name}: ${message.text()}`));
  page.on("pageerror", (error) => console.error(`${name}: ${error}`));
  await page.goto(server.url);
  pages.set(name, page);
}
