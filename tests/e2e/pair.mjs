// Two people in one room, seen from outside: `node pair.mjs ORIGIN TOKEN ROOM` builds and runs probe/pair.ts.

import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
process.chdir(here);
const script = join(here, "build/pair.mjs");

await build({ entryPoints: ["page/page.ts"], bundle: true, format: "iife", outfile: "build/page.js" });
await build({
  entryPoints: ["probe/pair.ts"],
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
  sourcemap: "inline",
  outfile: script,
});
await import(pathToFileURL(script).href);
