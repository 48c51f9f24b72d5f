// Every call and every notification of the SDK is named in a test.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { FishjamClient, ServerMessage } from "@fishjam-cloud/js-server-sdk";

/** Methods that are no calls of the API; TypeScript's own word for it does not reach here. */
const PRIVATE = ["constructor", "handleDeprecationHeader"];

const SAID_FIRST = ["authenticated", "authRequest", "subscribeRequest", "subscribeResponse"];

const NEVER_TOLD = [
  // A room outlives its worker; a peer's crash takes a bug in the server.
  "roomCrashed",
  "peerCrashed",
  // The current API has no components.
  "componentCrashed",
  "hlsPlayable",
  "hlsUploaded",
  "hlsUploadCrashed",
  // Replaced by those of streamers and viewers; and livestreams have no media yet.
  "streamConnected",
  "streamDisconnected",
  "streamerConnected",
  "streamerDisconnected",
  "viewerConnected",
  "viewerDisconnected",
  // Of another product.
  "trackForwarding",
  "trackForwardingRemoved",
  // This version decodes them in webhooks and emits none; the Python SDK has tests of them.
  "channelAdded",
  "channelRemoved",
  "vadNotification",
];

const tests = readdirSync("js")
  .filter((file) => file.endsWith(".test.ts") && file !== "coverage.test.ts")
  .map((file) => readFileSync(`js/${file}`, "utf8"))
  .join();

test("every call is made", () => {
  const calls = Object.getOwnPropertyNames(FishjamClient.prototype).filter((name) => !PRIVATE.includes(name));
  assert.deepEqual(
    calls.filter((name) => !tests.includes(name)),
    [],
  );
});

test("every notification is told", () => {
  const known = Object.keys(ServerMessage.fromPartial({})).filter((name) => !SAID_FIRST.includes(name));
  const untold = known.filter((name) => !tests.includes(name)).sort();
  assert.deepEqual(untold, NEVER_TOLD.filter((name) => known.includes(name)).sort());
});
