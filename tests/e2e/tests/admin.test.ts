// The operators' page, against a server that carries real calls.

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { DESK, isAccessible, PHONE, PICTURES, pictures } from "../harness/meeting";
import { line, operator, signIn, stranger } from "../harness/operator";
import { eventually } from "../harness/patience";
import { type Stage, scenario } from "../harness/scenario";
import { MANAGEMENT_TOKEN } from "../harness/server";

scenario("an operator comes in with the right token only, and goes out again", async (stage) => {
  const page = await stranger(stage);
  await signIn(page, "a guess");
  await page.getByRole("alert").getByText("does not take this token").waitFor();
  await isAccessible(page, "sign-in");
  await pictures(page, "admin-sign-in");
  await signIn(page, MANAGEMENT_TOKEN);
  await page.getByRole("heading", { name: "Cluster", exact: true }).waitFor();
  assert.ok(!page.url().includes(MANAGEMENT_TOKEN), page.url());
  await page.reload();
  await page.getByRole("heading", { name: "Cluster", exact: true }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("You signed out.").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await page.reload();
  await page.getByLabel("Management token").waitFor();
});

scenario("the cluster shows the load of a call while it lasts", async (stage) => {
  const room = await call(stage, "Ann", "Bob", "Eve");
  const page = await operator(stage);
  await page.getByText("All 2 workers are ready").waitFor();
  const worker = await placedAt(stage, room);
  // The worker of the room shows its load and what it sends.
  const mine = line(page, worker).first();
  await mine
    .filter({ hasText: /[1-9][\d.]* [kM]bit\/s/ })
    .filter({ hasNotText: "0.0 %" })
    .waitFor();
  const connected = page.locator(".figures div", { hasText: "Peers connected" }).getByRole("definition");
  assert.match((await connected.textContent()) ?? "", /^([3-9]|\d\d+) of/);
  // The plot tells the traffic in words.
  await page
    .getByRole("figure", { name: /Sent to peers/ })
    .getByText(/Mbit\/s now/)
    .waitFor();
  await page
    .getByRole("figure", { name: /CPU load/ })
    .getByText("Values")
    .click();
  await page.getByRole("columnheader", { name: worker }).first().waitFor();
  await isAccessible(page, "cluster");
  await pictures(page, "admin-cluster");
  await whole(page, "admin-cluster");

  await page.getByRole("link", { name: worker, exact: true }).click();
  await page.getByRole("heading", { name: `Worker ${worker}` }).waitFor();
  await page.getByRole("figure", { name: /Traffic/ }).waitFor();
  await isAccessible(page, "worker");
  await whole(page, "admin-worker");
  await page.getByRole("link", { name: /^\d+ rooms?$/ }).click();
  await line(page, room).waitFor();
  assert.equal(await page.getByLabel("Worker").inputValue(), worker);
});

scenario("a room is made with what was chosen, found, explained and deleted", async (stage) => {
  const page = await operator(stage, "#/rooms");
  await page.getByRole("button", { name: "Create a room" }).click();
  await page.getByLabel("Room type").selectOption("audio only");
  await page.getByLabel("Video codec").selectOption("vp8");
  await page.getByLabel("Most peers").fill("7");
  await page.getByLabel("Public").check();
  await page.getByText("More", { exact: true }).click();
  const room = `Admin-${process.pid}`;
  await page.getByLabel("Room id", { exact: true }).fill(room);
  await page.getByLabel("Webhook URL").fill("https://example.com/hook");
  await page.getByLabel("Remove the room when").fill("3600");
  await page.getByLabel("Remove a peer").fill("60");
  await page.getByLabel("Several notifications").check();
  await isAccessible(page, "create a room");
  await pictures(page, "admin-create-room");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("heading", { name: `Room ${room}` }).waitFor();
  const { config } = await stage.api.config(room);
  const { maxPeers, roomType, videoCodec, webhookUrl, batchWebhookNotifications } = config;
  assert.deepEqual([maxPeers, roomType, videoCodec, config.public], [7, "audio_only", "vp8", true]);
  assert.deepEqual([webhookUrl, batchWebhookNotifications], ["https://example.com/hook", true]);
  await page.getByText(/was chosen: /).waitFor();
  assert.equal(await page.getByRole("cell", { name: "Chosen" }).count(), 1);
  await isAccessible(page, "empty room");

  await page.getByRole("link", { name: "Rooms", exact: true }).click();
  await page.getByLabel("Room id begins with").fill("Admin-");
  await line(page, room).waitFor();
  await eventually("only this room is listed", async () => (await page.getByRole("row").count()) === 2);
  await isAccessible(page, "rooms");
  await pictures(page, "admin-rooms");
  await page.getByLabel("Room id begins with").fill("no-such-room");
  await page.getByText("No room matches.").waitFor();
  await page.getByLabel("Room id begins with").fill("");
  await page.getByRole("link", { name: room }).click();

  const remove = page.getByRole("button", { name: "Delete the room" });
  await remove.click();
  await page.getByText("Nobody is connected.").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await eventually("the focus is back where it was", () => remove.evaluate((it) => it === document.activeElement));
  await remove.click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete the room" }).click();
  await page.getByRole("heading", { name: "Rooms" }).waitFor();
  await assert.rejects(stage.api.room(room), /404/);
});

scenario("a peer comes in with the token that the page showed once, and is kicked", async (stage) => {
  const room = await stage.room();
  const page = await operator(stage, `#/rooms/${room}`);
  await page.getByText("Nobody was added").waitFor();
  await page.getByRole("button", { name: "Add a peer" }).click();
  await page.getByLabel("Metadata").fill("[no object");
  assert.ok(await page.getByRole("button", { name: "Add", exact: true }).isDisabled());
  await page.getByLabel("Metadata").fill('{"name":"Ann"}');
  await isAccessible(page, "add a peer");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  const token = await page.getByLabel("Peer token").inputValue();
  await page.getByRole("button", { name: "Copy the token" }).click();
  await page.getByText("Copied.").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), token);
  await isAccessible(page, "token");
  await page.keyboard.press("Escape");
  await page.getByLabel("Peer token").waitFor({ state: "detached" });
  assert.ok(!(await page.content()).includes(token), "the token is gone from the page");

  const { peers } = await stage.api.room(room);
  const ann = await stage.page("Ann");
  await stage.admit(ann, { room, peer: peers[0]?.id ?? "", token });
  await Promise.all([ann.publishCamera(), ann.publishMicrophone()]);
  const mine = line(page, "Ann");
  await mine.getByText("Connected", { exact: true }).waitFor();
  await mine.getByText("video", { exact: true }).waitFor();
  await mine.getByText("audio", { exact: true }).waitFor();
  await isAccessible(page, "room");
  await pictures(page, "admin-room");
  await whole(page, "admin-room");

  await page.getByRole("button", { name: "New token for Ann" }).click();
  assert.notEqual(await page.getByLabel("Peer token").inputValue(), token);
  await page.keyboard.press("Escape");
  await page.getByLabel("Peer token").waitFor({ state: "detached" });

  await page.getByRole("button", { name: "Kick Ann" }).click();
  await page.getByLabel("Reason").fill("the meeting is over");
  const asked = page.waitForRequest((request) => request.method() === "DELETE");
  await page.getByRole("dialog").getByRole("button", { name: "Kick" }).click();
  assert.equal(new URL((await asked).url()).searchParams.get("reason"), "the meeting is over");
  await page.getByText("Nobody was added").waitFor();
  assert.deepEqual((await stage.api.room(room)).peers, []);
});

scenario("many rooms come in pages, forth and back", async (stage) => {
  const rooms = await Promise.all(Array.from({ length: 30 }, () => stage.room()));
  stage.atEnd(() => Promise.all(rooms.map((room) => stage.api.deleteRoom(room))));
  const page = await operator(stage, "#/rooms");
  const listed = async () => {
    await page.getByRole("row").nth(1).waitFor();
    return page.getByRole("rowheader").allInnerTexts();
  };
  const first = await listed();
  assert.equal(first.length, 25);
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByText("Page 2").waitFor();
  const second = await eventually("another page is shown", async () => {
    const ids = await listed();
    return ids[0] === first[0] ? null : ids;
  });
  assert.ok(second[0] && first.at(-1) && second[0] > (first.at(-1) ?? ""));
  await page.getByRole("button", { name: "Previous" }).click();
  await eventually("the first page is back", async () => (await listed())[0] === first[0]);
});

scenario("a server that is gone, and workers that are unwell, are told in words", async (stage) => {
  const page = await operator(stage);
  await page.getByText("All 2 workers are ready").waitFor();
  await page.route("**/cluster/**", (route) => route.abort());
  await page
    .getByRole("alert")
    .getByText(/does not answer.*Shown is what was known at/)
    .waitFor();
  await isAccessible(page, "gone");
  await pictures(page, "admin-gone");
  await page.unroute("**/cluster/**");
  await page.getByText(/Last updated/).waitFor();

  await page.route("**/cluster/workers", async (route) => {
    const response = await route.fetch();
    const { workers } = (await response.json()) as { workers: Record<string, unknown>[] };
    const [one, two] = workers;
    const silent = { ...one, suspect: true, silent_ms: 4_000 };
    await route.fulfill({ json: { workers: [silent, { ...two, state: "draining" }] } });
  });
  await page.getByText("0 of 2 workers are ready").waitFor();
  await page.getByText("silent for 4 s, gets no new rooms").waitFor();
  await page.getByText("its rooms are being moved away").waitFor();
  await isAccessible(page, "unwell");
  await pictures(page, "admin-unwell");

  await page.route("**/cluster/totals", (route) => route.fulfill({ status: 401, json: { errors: "Invalid token" } }));
  await page.getByText("The server no longer takes this token.").waitFor();
});

scenario("the page is used without a mouse, and fits on a phone", async (stage) => {
  const page = await stranger(stage, "#/rooms");
  await page.setViewportSize(PHONE);
  await page.getByLabel("Management token").focus();
  await page.keyboard.type(MANAGEMENT_TOKEN);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Rooms" }).waitFor();
  await tabTo(page, "Create a room");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await focused(page), "Create a room");
  await tabTo(page, "Cluster");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Cluster", exact: true }).waitFor();
  await isAccessible(page, "cluster on a phone");
});

/** A room in which everybody sends a camera and a microphone. */
async function call(stage: Stage, ...names: string[]): Promise<string> {
  const room = await stage.room();
  const peers = await Promise.all(names.map((name) => stage.enter(room, name)));
  await Promise.all(peers.flatMap((peer) => [peer.publishCamera(), peer.publishMicrophone()]));
  return room;
}

async function placedAt(stage: Stage, room: string): Promise<string> {
  const headers = { authorization: `Bearer ${MANAGEMENT_TOKEN}` };
  const response = await fetch(`${stage.server.origin}/cluster/rooms/${room}/placement`, { headers });
  return ((await response.json()) as { worker: string }).worker;
}

function focused(page: Page): Promise<string> {
  return page.evaluate(() => document.activeElement?.textContent?.trim() ?? "");
}

async function tabTo(page: Page, text: string): Promise<void> {
  for (let step = 0; step < 40; step++) {
    await page.keyboard.press("Tab");
    if ((await focused(page)) === text) return;
  }
  throw new Error(`${text} is not reached by Tab`);
}

/** The page from top to bottom, for people to look at. */
async function whole(page: Page, name: string): Promise<void> {
  if (!PICTURES) return;
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.screenshot({ path: `artifacts/${name}-whole-${colorScheme}.png`, fullPage: true });
  }
  await page.setViewportSize(PHONE);
  await page.screenshot({ path: `artifacts/${name}-whole-phone.png`, fullPage: true });
  await page.setViewportSize(DESK);
}
