// The first one in a room moderates it, and nobody else does.

import assert from "node:assert/strict";
import { DESK, join, linkTo, meet, OTHERS, plays, press, tileOf, visit, visitIn } from "../harness/meeting";
import { never } from "../harness/patience";
import { scenario } from "../harness/scenario";

scenario("a moderator mutes somebody, who can speak again by choice", async (stage) => {
  const [ann, bob] = await meet(stage, linkTo(stage, "mute"), "Ann", "Bob");
  assert.ok(ann && bob);
  await plays(ann, "Bob");
  await press(ann, "People");
  await ann.getByText("moderator", { exact: true }).first().waitFor();
  await press(ann, "Mute Bob");
  await bob.getByRole("status").getByText("Ann muted you").waitFor();
  await tileOf(ann, "Bob").getByRole("img", { name: "muted" }).waitFor();
  await press(bob, "Unmute");
  await tileOf(ann, "Bob").getByRole("img", { name: "muted" }).waitFor({ state: "detached" });
});

scenario("a moderator removes somebody, who is told and stays out", async (stage) => {
  const [ann, bob] = await meet(stage, linkTo(stage, "kick"), "Ann", "Bob");
  assert.ok(ann && bob);
  await press(ann, "People");
  await press(ann, "Remove Bob");
  await bob.getByRole("heading", { name: "You were removed from this room" }).waitFor();
  await bob.getByText("A moderator ended your stay.").waitFor();
  await ann.locator(OTHERS).waitFor({ state: "detached" });
  await never("bob comes back by himself", () => ann.locator(OTHERS).count());
});

scenario("who only claims to be a moderator mutes and removes nobody", async (stage) => {
  const link = linkTo(stage, "forged");
  const ann = await visit(stage, link, "Ann");
  await join(ann);
  const context = await stage.guest({ viewport: DESK });
  await context.route("**/demo/join*", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), moderator: true } });
  });
  const bob = await visitIn(context, link, "Bob");
  await join(bob);
  await plays(ann, "Bob");
  await press(bob, "People");
  await press(bob, "Mute Ann");
  await never("ann is muted", () => ann.getByRole("button", { name: "Unmute" }).count());
  await press(bob, "Remove Ann");
  await bob.getByRole("status").getByText("Ann could not be removed").waitFor();
  await plays(bob, "Ann");
});
