// The operator in front of the cluster's page.

import type { Page } from "playwright-core";
import { DESK } from "./meeting";
import type { Stage } from "./scenario";
import { MANAGEMENT_TOKEN } from "./server";

/** Signed in, at a place of the page. */
export async function operator(stage: Stage, place = "#/"): Promise<Page> {
  const page = await stranger(stage, place);
  await signIn(page, MANAGEMENT_TOKEN);
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  return page;
}

/** Not signed in yet. */
export async function stranger(stage: Stage, place = "#/"): Promise<Page> {
  const context = await stage.guest({ viewport: DESK, permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error(`uncaught in the operators' page: ${error.message}`));
  await page.goto(`${stage.server.origin}/admin${place}`);
  return page;
}

export async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel("Management token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** The line of a list that is about something. */
export function line(page: Page, about: string) {
  return page.getByRole("row").filter({ hasText: about });
}
