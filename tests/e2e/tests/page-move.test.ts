// A room goes to another worker, by an operator's hand or because its worker died: people see that the page comes back, and
// are seen and heard again without doing anything.

import type { Page } from "playwright-core";
import { Cluster } from "../harness/cluster";
import { join, linkTo, meet, PICTURES, plays, tileOf, visit } from "../harness/meeting";
import { eventually } from "../harness/patience";
import { type Stage, scenario } from "../harness/scenario";
import { MANAGEMENT_TOKEN } from "../harness/server";

scenario("people whose room moves come back by themselves, seen and heard", async (stage) => {
  const link = linkTo(stage, "moves");
  const people = await meet(stage, link, "Ann", "Bob");
  await everybodyIsThere(people);
  const room = `demo-${new URL(link).pathname.slice(3)}`;
  await reconnecting(people, "room-moves", async () => {
    const response = await fetch(`${stage.server.origin}/cluster/rooms/${room}/move`, {
      method: "POST",
      headers: { authorization: `Bearer ${MANAGEMENT_TOKEN}`, "content-type": "application/json" },
      body: "{}",
    });
    if (!response.ok) throw new Error(`the room does not move: ${response.status} ${await response.text()}`);
  });
});

scenario("people whose worker is killed come back by themselves, seen and heard", async (stage) => {
  const cluster = await Cluster.start();
  stage.atEnd(() => cluster.stop());
  const link = `${cluster.origin}/r/killed`;
  const people = await enter(stage, link);
  await everybodyIsThere(people);
  const before = await cluster.workerOf("demo-killed");
  await reconnecting(people, "worker-killed", async () => cluster.kill(before));
  await eventually("the room is elsewhere", async () => (await cluster.workerOf("demo-killed")) !== before);
});

async function enter(stage: Stage, link: string): Promise<Page[]> {
  const people = [await visit(stage, link, "Ann"), await visit(stage, link, "Bob")];
  for (const page of people) await join(page);
  return people;
}

/** Both say that they reconnect, and soon see and hear each other again. */
async function reconnecting(people: Page[], name: string, trouble: () => Promise<void>): Promise<void> {
  const told = people.map(async (page, at) => {
    await page.getByText("Reconnecting…").first().waitFor();
    if (PICTURES && at === 0) await page.screenshot({ path: `artifacts/${name}.png`, animations: "disabled" });
  });
  await Promise.all([...told, trouble()]);
  await Promise.all(people.map((page) => page.locator('main[data-phase="live"]').waitFor()));
  await everybodyIsThere(people);
  if (PICTURES) await people[0]?.screenshot({ path: `artifacts/${name}-over.png`, animations: "disabled" });
}

/** Each sees a moving picture of the other, and hears a sound that goes on. */
async function everybodyIsThere([ann, bob]: Page[]): Promise<void> {
  if (!ann || !bob) throw new Error("two people are needed");
  await Promise.all([plays(ann, "Bob"), plays(bob, "Ann"), hears(ann), hears(bob)]);
  for (const [page, other] of [
    [ann, "Bob"],
    [bob, "Ann"],
  ] as const) {
    await tileOf(page, other).getByRole("img", { name: "muted" }).waitFor({ state: "hidden" });
  }
}

/** A track brings packets. */
async function hears(page: Page): Promise<void> {
  const sounds = () =>
    page.locator("audio").evaluateAll((all) =>
      all.map((audio) => {
        const stream = (audio as HTMLAudioElement).srcObject as MediaStream | null;
        return stream?.getAudioTracks().some(({ readyState, muted }) => readyState === "live" && !muted) ?? false;
      }),
    );
  await eventually("a sound comes", async () => {
    const now = await sounds();
    return now.length === 1 && now.every(Boolean);
  });
}
