import { afterEach, expect, test, vi } from "vitest";
import { JoinRefused, join, refusal } from "./join";

afterEach(() => vi.unstubAllGlobals());

test("joining posts the room and the name and returns the ticket", async () => {
  const fetched = answerWith(Response.json({ url: "ws://host/x", peerToken: "t", room: "r", peer: "p" }));
  await expect(join("bay", "Ann", "h264")).resolves.toEqual({
    url: "ws://host/x",
    peerToken: "t",
    room: "r",
    peer: "p",
    moderator: false,
    worker: null,
  });
  expect(fetched).toHaveBeenCalledWith(
    "/demo/join?codec=h264",
    expect.objectContaining({ method: "POST", body: '{"room":"bay","name":"Ann"}' }),
  );
});

test("a full cluster says when to try again", async () => {
  answerWith(new Response("{}", { status: 503, headers: { "retry-after": "5" } }));
  await expect(join("bay", "Ann", null)).rejects.toThrow("All servers are busy. Try again in 5 seconds.");
  expect(refusal(503, null)).toBe("All servers are busy. Try again in a moment.");
  expect(refusal(503, "1")).toContain("in a second");
});

test("a full room is told apart from a full cluster", () => {
  expect(refusal(409, null)).toBe("This room is full.");
});

test("a server that cannot be reached and one that talks nonsense are refusals too", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("failed")));
  await expect(join("bay", "Ann", null)).rejects.toBeInstanceOf(JoinRefused);
  answerWith(new Response("<html>"));
  await expect(join("bay", "Ann", null)).rejects.toBeInstanceOf(JoinRefused);
});

function answerWith(response: Response) {
  const fetched = vi.fn(() => Promise.resolve(response));
  vi.stubGlobal("fetch", fetched);
  return fetched;
}
