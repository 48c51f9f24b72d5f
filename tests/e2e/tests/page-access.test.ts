// The page for those who use it without a mouse, without eyes, or with a small screen.

import assert from "node:assert/strict";
import { DESK, FLAT, fits, isAccessible, linkTo, meet, PHONE, press } from "../harness/meeting";
import { scenario } from "../harness/scenario";

scenario("no page and no panel has a serious mistake, and none is wider than a phone", async (stage) => {
  const link = linkTo(stage, "axe");
  const context = await stage.guest({ viewport: DESK });
  const eve = await context.newPage();
  await eve.goto(`${stage.server.origin}/`);
  await isAccessible(eve, "landing");
  await eve.goto(link);
  await isAccessible(eve, "lobby");
  const [ann] = await meet(stage, link, "Ann", "Bob");
  assert.ok(ann);
  await press(ann, "Raise hand");
  await press(ann, "Mute");
  await isAccessible(ann, "room");
  for (const panel of ["Chat", "People", "Connection"]) {
    await press(ann, panel);
    await isAccessible(ann, panel);
    await press(ann, `Close ${panel.toLowerCase()}`);
  }
  for (const dialog of ["Keys", "Devices"]) {
    await press(ann, dialog);
    await isAccessible(ann, dialog);
    await ann.keyboard.press("Escape");
  }
  for (const size of [PHONE, FLAT]) {
    for (const page of [eve, ann]) {
      await page.setViewportSize(size);
      assert.ok(await fits(page), `${page.url()} at ${size.width}`);
    }
  }
  await press(ann, "Leave");
  await isAccessible(ann, "left");
});

scenario("from the first page into the room without a mouse", async (stage) => {
  const context = await stage.guest({ viewport: DESK });
  const ann = await context.newPage();
  await ann.goto(`${stage.server.origin}/`);
  const name = new URL(linkTo(stage, "tab")).pathname.slice(3);
  await tabTo("Room");
  await ann.keyboard.press("Control+a");
  await ann.keyboard.type(name);
  await ann.keyboard.press("Enter");
  // The first thing that is missing has the focus.
  await ann.getByLabel("Your name").waitFor();
  await ann.keyboard.type("Ann");
  await ann.keyboard.press("Enter");
  await ann.locator('main[data-phase="live"]').waitFor();
  for (const button of ["Copy link", "Mute", "Raise hand", "Leave"]) await tabTo(button);
  await ann.keyboard.press("Enter");
  await ann.getByRole("heading", { name: "You left the room" }).waitFor();

  async function tabTo(label: string): Promise<void> {
    for (let step = 0; step < 30; step++) {
      await ann.keyboard.press("Tab");
      const named = await ann.evaluate(() => {
        const { activeElement: element } = document;
        const labels = (element as HTMLInputElement | null)?.labels;
        return element?.getAttribute("aria-label") ?? labels?.[0]?.textContent ?? element?.textContent;
      });
      if (named === label) return;
    }
    throw new Error(`no way to "${label}" by keys`);
  }
});

scenario("who comes and goes is read out", async (stage) => {
  const [ann, bob] = await meet(stage, linkTo(stage, "read-out"), "Ann", "Bob");
  assert.ok(ann && bob);
  await ann.getByRole("status").getByText("Bob joined").first().waitFor();
  await press(bob, "Leave");
  await ann.getByRole("status").getByText("Bob left").waitFor();
});
