// Bundles the peers' page, their driver and the tests, then runs the tests with node's own runner.
// `npm test` runs everything, `npm test agents rooms` only the files whose names contain one of the words,
// `node run.mjs --build` only bundles.

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const words = process.argv.slice(2);

mkdirSync(join(here, "artifacts"), { recursive: true });
await build({
  entryPoints: [join(here, "browser/page.ts")],
  bundle: true,
  format: "iife",
  outfile: join(here, "build/page.js"),
});
await forNode({ entryPoints: [join(here, "browser/driver.ts")] }, "driver");
if (!words.includes("--build")) {
  // One process for all files: they share the server and the browser.
  const files = readdirSync(join(here, "js")).filter((file) => file.endsWith(".test.ts"));
  const chosen = files.filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  const contents = chosen.map((file) => `import "./js/${file}";`).join("\n");
  await forNode({ stdin: { contents, resolveDir: here } }, "suite");
  const args = ["--enable-source-maps", "--test", "--test-reporter=spec", "build/suite.mjs"];
  process.exit(spawnSync(process.execPath, args, { cwd: here, stdio: "inherit" }).status ?? 1);
}

/** Packages stay outside of the bundle; ours, those of the browser tests among them, go in. */
function forNode(entry, name) {
  const outfile = join(here, `build/${name}.mjs`);
  return build({
    ...entry,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    sourcemap: "inline",
    outfile,
  });
}
