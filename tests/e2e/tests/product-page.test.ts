// The page that people open: by link into a room, see and hear, leave and come back.

import assert from "node:assert/strict";
import type { WebSocketRoute } from "playwright-core";
import {
  DESK,
  FLAT,
  join,
  linkTo,
  meet,
  OTHERS,
  PHONE,
  pictures,
  plays,
  press,
  visit,
  visitIn,
} from "../harness/meeting";
import { eventually } from "../harness/patience";
import { scenario } from "../harness/scenario";

scenario("two people who open the same link see each other, mute, and leave", async (stage) => {
  const link = linkTo(stage, "link");
  const [ann, bob] = await Promise.all([visit(stage, link, "Ann Lee"), visit(stage, link, "Bob")]);
  await Promise.all([join(ann), join(bob)]);
  await Promise.all([plays(ann, "Bob"), plays(bob, "Ann Lee")]);
  await pictures(ann, "room");

  await press(ann, "Mute");
  await bob.locator(OTHERS).getByRole("img", { name: "muted" }).waitFor();
  await press(ann, "Camera off");
  await bob.locator(`${OTHERS} video`).waitFor({ state: "hidden" });
  await pictures(bob, "camera-off");
  await press(ann, "Unmute");
  await press(ann, "Camera on");
  await plays(bob, "Ann Lee");
  await bob.locator(OTHERS).getByRole("img", { name: "muted" }).waitFor({ state: "hidden" });

  await press(ann, "Leave");
  await ann.getByRole("heading", { name: "You left the room" }).waitFor();
  await bob.locator(OTHERS).waitFor({ state: "detached" });
  await pictures(ann, "left");
  await press(ann, "Rejoin");
  await ann.locator('main[data-phase="live"]').waitFor();
  await Promise.all([plays(ann, "Bob"), plays(bob, "Ann Lee")]);
});

scenario("an h264 room can be asked for in the link", async (stage) => {
  const [ann, bob] = await meet(stage, `${linkTo(stage, "codec")}?codec=h264`, "Ann", "Bob");
  assert.ok(ann && bob);
  await Promise.all([plays(ann, "Bob"), plays(bob, "Ann")]);
  await press(ann, "Connection");
  await ann.getByText(/H264/).first().waitFor();
});

scenario("a room's name on the first page leads to its link", async (stage) => {
  const context = await stage.guest({ viewport: DESK });
  const ann = await context.newPage();
  await ann.goto(`${stage.server.origin}/`);
  await pictures(ann, "landing", { desk: DESK, phone: PHONE, flat: FLAT });
  await ann.getByLabel("Room").fill(" Tea Time! ");
  await press(ann, "Open room");
  assert.equal(new URL(ann.url()).pathname, "/r/tea-time");
  await ann.getByLabel("Your name").fill("Ann");
  await pictures(ann, "lobby");
  await join(ann);
  await ann.getByText("You are the only one here").waitFor();
  await ann.goBack();
  await ann.getByRole("button", { name: "Open room" }).waitFor();
  await ann.goForward();
  await ann.getByRole("button", { name: "Join" }).waitFor();
});

scenario("someone whose connection breaks while muted comes back muted and can speak again", async (stage) => {
  const link = linkTo(stage, "break");
  const context = await stage.guest({ viewport: DESK });
  const sockets: WebSocketRoute[] = [];
  await context.routeWebSocket(/socket\/peer/, (socket) => {
    sockets.push(socket);
    socket.connectToServer();
  });
  const [ann, bob] = await Promise.all([visitIn(context, link, "Ann"), visit(stage, link, "Bob")]);
  await Promise.all([join(ann), join(bob)]);
  await plays(bob, "Ann");
  await press(ann, "Mute");
  await bob.locator(OTHERS).getByRole("img", { name: "muted" }).waitFor();

  const shown = ann.getByText("Reconnecting…").first().waitFor();
  await sockets[0]?.close({ code: 1011, reason: "cut by the test" });
  await shown;
  await eventually("ann is back", async () => (await ann.locator("main").getAttribute("data-phase")) === "live");
  await Promise.all([plays(bob, "Ann"), plays(ann, "Bob")]);
  await bob.locator(OTHERS).getByRole("img", { name: "muted" }).waitFor();
  await press(ann, "Unmute");
  await bob.locator(OTHERS).getByRole("img", { name: "muted" }).waitFor({ state: "hidden" });
  await bob.locator(`${OTHERS}.speaking`).waitFor();
});

scenario("someone who mutes in the moment of joining is muted, and can speak", async (stage) => {
  const link = linkTo(stage, "early");
  const [ann, bob] = await Promise.all([visit(stage, link, "Ann"), visit(stage, link, "Bob")]);
  await join(bob);
  await join(ann);
  await press(ann, "Mute");
  await plays(bob, "Ann");
  await bob.locator(OTHERS).getByRole("img", { name: "muted" }).waitFor();
  await press(ann, "Unmute");
  await bob.locator(OTHERS).getByRole("img", { name: "muted" }).waitFor({ state: "hidden" });
  await bob.locator(`${OTHERS}.speaking`).waitFor();
});

scenario("a full cluster is explained instead of joined", async (stage) => {
  const context = await stage.guest({ viewport: DESK });
  await context.route("**/demo/join*", (route) =>
    route.fulfill({ status: 503, headers: { "retry-after": "5" }, body: "{}" }),
  );
  const ann = await visitIn(context, linkTo(stage, "full"), "Ann");
  await press(ann, "Join");
  await ann.getByText("All servers are busy. Try again in 5 seconds.").waitFor();
  await ann.getByRole("button", { name: "Join", disabled: false }).waitFor();
  await pictures(ann, "busy");
});
