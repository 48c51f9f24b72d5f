import { afterEach, expect, test, vi } from "vitest";
import { Api, type Failure, query, refusal } from "./api";

afterEach(() => vi.unstubAllGlobals());

test("the token goes into a header and nowhere else", async () => {
  const fetch = answering(200, { data: { id: "r", config: {}, peers: [] } });
  await new Api("secret").room("a/b");
  const [url, options] = fetch.mock.calls[0] ?? [];
  expect(url).toBe("/api/v1/connect/admin/room/a%2Fb");
  expect(options?.headers.authorization).toBe("Bearer secret");
});

test("a token that is not taken ends the session", async () => {
  answering(401, { errors: "Invalid token" });
  const refused = vi.fn();
  const failure = await new Api("wrong", refused).totals().catch((error: Failure) => error);
  expect(failure).toMatchObject({ kind: "refused" });
  expect(refused).toHaveBeenCalledOnce();
});

test("a server that is gone, and one that says no, are told apart", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("network")));
  await expect(new Api("t").totals()).rejects.toMatchObject({ kind: "gone", message: "The server does not answer." });
  answering(409, { errors: "Reached peers limit in room r", code: "peers_limit" });
  await expect(new Api("t").addPeer("r", {})).rejects.toMatchObject({
    kind: "denied",
    message: "Reached peers limit in room r.",
  });
});

test("a removal answers nothing, and its reason travels in the query", async () => {
  const fetch = answering(204, null);
  await new Api("t").kick("r", "p", "too loud & late");
  expect(fetch.mock.calls[0]?.[0]).toBe("/api/v1/connect/admin/room/r/peer/p?reason=too+loud+%26+late");
});

test("an answer without words still has its status", () => {
  expect(refusal(502, "<html>")).toBe("The server said 502.");
  expect(query({ worker: "", prefix: "a" })).toBe("prefix=a");
});

function answering(status: number, body: unknown) {
  const fetch = vi.fn((_url: string, _options: { headers: Record<string, string> }) =>
    Promise.resolve(new Response(body === null ? null : JSON.stringify(body), { status })),
  );
  vi.stubGlobal("fetch", fetch);
  return fetch;
}
