// Every control of the room, used the way people use them.

import assert from "node:assert/strict";
import { DESK, join, linkTo, meet, OTHERS, pictures, plays, press, tileOf, visitIn } from "../harness/meeting";
import { eventually } from "../harness/patience";
import { scenario } from "../harness/scenario";

scenario("people write to each other, and unread words are counted until they are read", async (stage) => {
  const [ann, bob] = await meet(stage, linkTo(stage, "chat"), "Ann", "Bob");
  assert.ok(ann && bob);
  await press(ann, "Chat");
  const field = ann.getByRole("textbox", { name: "Message" });
  await eventually(
    "the channel is open",
    async () => (await field.getAttribute("placeholder")) === "Write to everyone",
  );
  await field.fill("see https://example.org/plan.");
  await field.press("Enter");
  await bob.getByRole("status").getByText("Ann: see https://example.org/plan.").waitFor();
  await press(bob, "Chat, 1 unread");
  const log = bob.getByRole("log");
  await log.getByText("Ann", { exact: true }).waitFor();
  assert.equal(await log.getByRole("link").getAttribute("href"), "https://example.org/plan");
  await bob.getByRole("button", { name: "Chat", exact: true }).waitFor();

  const answer = bob.getByRole("textbox", { name: "Message" });
  await answer.fill("<b>done</b>");
  await press(bob, "Send");
  await ann.getByRole("log").getByText("<b>done</b>").waitFor();
  await pictures(ann, "chat");
  await field.press("Escape");
  await ann.getByRole("log").waitFor({ state: "detached" });
});

scenario("two people without camera and microphone can write, and show themselves later", async (stage) => {
  const [ann, bob] = await meet(stage, `${linkTo(stage, "bare")}`, "Ann", "Bob").then(async (pages) => {
    for (const page of pages) {
      await press(page, "Leave");
      await page.reload();
      await press(page, "Mute");
      await press(page, "Camera off");
    }
    await Promise.all(pages.map(join));
    return pages;
  });
  assert.ok(ann && bob);
  await press(ann, "Chat");
  await eventually("ann's words arrive", async () => {
    const field = ann.getByRole("textbox", { name: "Message" });
    await field.fill("anybody?");
    await field.press("Enter");
    return bob.getByRole("button", { name: /Chat, \d unread/ }).isVisible();
  });
  await press(ann, "Camera on");
  await plays(bob, "Ann");
});

scenario("a raised hand is seen, named, and goes down again", async (stage) => {
  const [ann, bob] = await meet(stage, linkTo(stage, "hand"), "Ann", "Bob");
  assert.ok(ann && bob);
  await press(ann, "Raise hand");
  await bob.getByRole("status").getByText("Ann raised a hand").waitFor();
  await bob.locator(OTHERS).getByRole("img", { name: "hand raised" }).waitFor();
  await press(bob, "People");
  await bob.getByText("hand raised, first").waitFor();
  await pictures(bob, "people");
  await press(ann, "Lower hand");
  await bob.getByRole("img", { name: "hand raised" }).waitFor({ state: "detached" });
});

scenario("a shared screen takes the stage, with its sound, until it is stopped", async (stage) => {
  const [ann, bob] = await meet(stage, linkTo(stage, "screen"), "Ann", "Bob");
  assert.ok(ann && bob);
  // Headless browsers have no screen to share: a drawn one with a tone takes its place.
  await ann.evaluate(() => {
    navigator.mediaDevices.getDisplayMedia = async () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
      const pen = canvas.getContext("2d");
      let frame = 0;
      setInterval(() => pen?.fillText(String(++frame), (frame * 37) % 1200, (frame * 53) % 700), 100);
      const sound = new AudioContext();
      const tone = new OscillatorNode(sound);
      const out = sound.createMediaStreamDestination();
      tone.connect(out);
      tone.start();
      return new MediaStream([...canvas.captureStream(10).getTracks(), ...out.stream.getTracks()]);
    };
  });
  await press(ann, "Share screen");
  await plays(bob, "Ann’s screen");
  assert.equal(await bob.getByRole("list", { name: "People in this room" }).getAttribute("data-layout"), "stage");
  await eventually("bob hears both of ann's sounds", async () => (await bob.locator("audio").count()) === 2);
  await tileOf(ann, "Your screen").waitFor();
  await pictures(bob, "screen");
  await press(ann, "Stop sharing");
  await tileOf(bob, "Ann’s screen").waitFor({ state: "detached" });
  assert.equal(await bob.getByRole("list", { name: "People in this room" }).getAttribute("data-layout"), "grid");
});

scenario("layouts and pins change who is large", async (stage) => {
  const [ann] = await meet(stage, linkTo(stage, "pin"), "Ann", "Bob", "Cem");
  assert.ok(ann);
  const width = async (label: string) => (await tileOf(ann, label).boundingBox())?.width ?? 0;
  const large = async (label: string, other: string) => (await width(label)) > 2 * (await width(other));
  await tileOf(ann, "Cem").hover();
  await press(ann, "Pin Cem");
  await eventually("cem is large", () => large("Cem", "Bob"));
  await press(ann, "Unpin Cem");
  await eventually("nobody is large", async () => Math.abs((await width("Cem")) - (await width("Bob"))) < 2);
  await press(ann, "Speaker layout");
  await eventually(
    "one of the others is large",
    async () => (await large("Cem", "Ann (you)")) || (await large("Bob", "Ann (you)")),
  );
  await press(ann, "Grid layout");
  await eventually("nobody is large", async () => Math.abs((await width("Cem")) - (await width("Bob"))) < 2);
});

scenario("whoever speaks is marked", async (stage) => {
  const [ann, bob] = await meet(stage, linkTo(stage, "speak"), "Ann", "Bob");
  assert.ok(ann && bob);
  // Chromium's fake microphone beeps.
  await ann.locator(`${OTHERS}.speaking`, { hasText: "Bob" }).waitFor();
  await ann.locator("li.tile.self.speaking").waitFor();
  await press(bob, "Mute");
  await ann.locator(`${OTHERS}.speaking`).waitFor({ state: "detached" });
});

scenario("everything in the room can be done with keys, unless somebody switches them off", async (stage) => {
  const [ann, bob] = await meet(stage, linkTo(stage, "keys"), "Ann", "Bob");
  assert.ok(ann && bob);
  await ann.keyboard.press("m");
  await bob.locator(OTHERS).getByRole("img", { name: "muted" }).waitFor();
  await ann.keyboard.press("v");
  await ann.getByRole("button", { name: "Camera on" }).waitFor();
  await ann.keyboard.press("h");
  await ann.getByRole("button", { name: "Lower hand" }).waitFor();
  await ann.keyboard.press("c");
  await ann.keyboard.type("mvh");
  assert.equal(await ann.getByRole("textbox", { name: "Message" }).inputValue(), "mvh");
  await ann.getByRole("button", { name: "Lower hand" }).waitFor();
  await ann.keyboard.press("Escape");
  await ann.keyboard.press("?");
  await ann.getByRole("dialog", { name: "Keys" }).waitFor();
  await ann.getByLabel("Single keys work").uncheck();
  await ann.keyboard.press("Escape");
  await ann.keyboard.press("h");
  await ann.getByRole("button", { name: "Lower hand" }).waitFor();
});

scenario("the connection is shown in numbers and plots, and the devices can be changed", async (stage) => {
  const [ann, bob] = await meet(stage, linkTo(stage, "numbers"), "Ann", "Bob");
  assert.ok(ann && bob);
  await plays(ann, "Bob");
  await press(ann, "Connection");
  const panel = ann.getByRole("complementary", { name: "Connection" });
  await panel.getByRole("row", { name: /Bob \d+×\d+ \d+ fps VP8/ }).waitFor();
  await panel.getByText("good connection").waitFor();
  for (const title of ["Bitrate", "Loss", "Round trip", "Frame rate"]) await panel.getByText(title).first().waitFor();
  await eventually("the plots are drawn", async () => (await panel.locator("canvas").count()) >= 4);
  await pictures(ann, "stats");
  await press(ann, "Close connection");
  await press(ann, "Devices");
  const dialog = ann.getByRole("dialog", { name: "Devices" });
  const choice = dialog.getByLabel("Microphone");
  const values = await choice
    .locator("option")
    .evaluateAll((all) => all.map((one) => (one as HTMLOptionElement).value));
  await choice.selectOption(values.at(-1) ?? "");
  await eventually("the other microphone is in use", async () => (await choice.inputValue()) === values.at(-1));
  await ann.keyboard.press("Escape");
});

scenario("colours follow the system until somebody chooses, and the choice stays", async (stage) => {
  const context = await stage.guest({ viewport: DESK, colorScheme: "dark" });
  const ann = await visitIn(context, linkTo(stage, "colours"), "Ann");
  const ink = () => ann.evaluate(() => getComputedStyle(document.body).color);
  const dark = await ink();
  await press(ann, "Colours: as the system");
  await ann.getByRole("button", { name: "Colours: light" }).waitFor();
  assert.notEqual(await ink(), dark);
  await ann.reload();
  await ann.getByRole("button", { name: "Colours: light" }).waitFor();
  assert.notEqual(await ink(), dark);
});
