// People in front of the product's page: they open a link, join, and look.

import assert from "node:assert/strict";
import axe from "axe-core";
import type { BrowserContext, Page } from "playwright-core";
import { eventually } from "./patience";
import type { Stage } from "./scenario";

export const DESK = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };
/** A phone on its side. */
export const FLAT = { width: 844, height: 390 };

/** The tiles of other people. */
export const OTHERS = "li.tile.person";

let rooms = 0;

/** A link to a room of this run alone. */
export function linkTo(stage: Stage, about: string): string {
  return `${stage.server.origin}/r/${about}-${process.pid}-${++rooms}`;
}

export async function visit(stage: Stage, link: string, name: string): Promise<Page> {
  return visitIn(await stage.guest({ viewport: DESK }), link, name);
}

export async function visitIn(context: BrowserContext, link: string, name: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(link);
  await page.getByLabel("Your name").fill(name);
  return page;
}

export async function join(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Join" }).click();
  await page.locator('main[data-phase="live"]').waitFor();
}

/** In the room, one after the other where `first` matters: the first one is its moderator. */
export async function meet(stage: Stage, link: string, first: string, ...others: string[]): Promise<Page[]> {
  const host = await visit(stage, link, first);
  await join(host);
  const guests = await Promise.all(others.map((name) => visit(stage, link, name)));
  await Promise.all(guests.map(join));
  return [host, ...guests];
}

/** Presses one of the buttons by its label. */
export function press(page: Page, name: string | RegExp): Promise<void> {
  return page.getByRole("button", { name, exact: typeof name === "string" }).click();
}

/** The tile of somebody, by what stands on its plate. */
export function tileOf(page: Page, label: string) {
  return page.locator("li.tile", { has: page.getByText(label, { exact: true }) });
}

/** Waits until the tile with that label shows a moving picture. */
export async function plays(page: Page, label: string): Promise<void> {
  const video = tileOf(page, label).locator("video");
  await video.waitFor();
  const before = await video.evaluate((element: HTMLVideoElement) => element.currentTime);
  await eventually(`the tile of ${label} plays`, () =>
    video.evaluate((element: HTMLVideoElement, since) => element.videoWidth > 0 && element.currentTime > since, before),
  );
}

type Size = { width: number; height: number };

/** Pictures cost a minute of a run and tell a machine nothing: they are taken for whoever asks for them. */
export const PICTURES = Boolean(process.env.E2E_PICTURES);

/** Desk and phone, light and dark, for people to look at. */
export async function pictures(
  page: Page,
  name: string,
  devices: Record<string, Size> = { desk: DESK, phone: PHONE },
): Promise<void> {
  if (PICTURES) await photograph(page, name, devices);
  await page.setViewportSize(DESK);
}

async function photograph(page: Page, name: string, devices: Record<string, Size>): Promise<void> {
  for (const [device, size] of Object.entries(devices)) {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.screenshot({ path: `artifacts/${name}-${device}-${colorScheme}.png`, animations: "disabled" });
    }
  }
}

/** In the dark only colours are different. */
const RULES: Record<"light" | "dark", axe.RunOptions> = { light: {}, dark: { runOnly: ["color-contrast"] } };

/** What axe calls serious or worse, in light and in dark, is a mistake; so is anything wider than the page. */
export async function isAccessible(page: Page, where: string): Promise<void> {
  await page.evaluate(axe.source);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const found = await page.evaluate(async (rules) => {
      const { violations } = await (window as unknown as { axe: typeof axe }).axe.run(rules);
      return violations.map(({ id, impact, nodes }) => ({
        id,
        impact,
        where: nodes.map(({ html }) => html.slice(0, 160)),
      }));
    }, RULES[colorScheme]);
    const grave = found.filter(({ impact }) => impact === "serious" || impact === "critical");
    assert.deepEqual(grave, [], `${where}, ${colorScheme}`);
  }
  assert.ok(await fits(page), `${where} is wider than the page`);
}

export function fits(page: Page): Promise<boolean> {
  return page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
}

/** The tiles as they stand: all of them inside the scene, none over another. */
export async function tilesStandApart(page: Page, count: number): Promise<void> {
  await eventually(`${count} tiles stand apart`, () =>
    page.evaluate((expected) => {
      const scene = document.querySelector(".tiles")?.getBoundingClientRect();
      const tiles = [...document.querySelectorAll("li.tile")].map((tile) => tile.getBoundingClientRect());
      if (!scene || tiles.length !== expected) return false;
      const inside = (tile: DOMRect) =>
        tile.width > 20 &&
        tile.left >= scene.left - 1 &&
        tile.top >= scene.top - 1 &&
        tile.right <= scene.right + 1 &&
        tile.bottom <= scene.bottom + 1;
      const apart = (one: DOMRect, other: DOMRect) =>
        one.right <= other.left + 1 ||
        other.right <= one.left + 1 ||
        one.bottom <= other.top + 1 ||
        other.bottom <= one.top + 1;
      return tiles.every(inside) && tiles.every((one, at) => tiles.slice(at + 1).every((other) => apart(one, other)));
    }, count),
  );
}
