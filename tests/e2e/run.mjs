// Builds the test page and the tests, then runs them with node's own runner.
// `npm test` runs everything, `npm test simulcast room` only the files whose names contain one of the words.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const web = join(root, "coordinator/web");
const words = process.argv.slice(2);

prepare();
await bundle();
const done = spawnSync(
  process.execPath,
  ["--enable-source-maps", "--test", "--test-reporter=spec", "build/suite.mjs"],
  {
    cwd: here,
    stdio: "inherit",
  },
);
process.exit(done.status ?? 1);

function prepare() {
  mkdirSync(join(here, "artifacts"), { recursive: true });
  // A given server brings its page along.
  if (process.env.VELELLA_BIN) return;
  if (!existsSync(join(web, "node_modules"))) must("npm", ["install", "--no-save"], web);
  if (!existsSync(join(web, "dist/index.html"))) must("npm", ["run", "build"], web);
  const packages = ["velella-allinone", "velella-coordinator", "velella-worker", "velella-gateway"].flatMap((name) => [
    "-p",
    name,
  ]);
  must("cargo", ["build", "--locked", ...packages], root);
}

async function bundle() {
  await build({
    entryPoints: [join(here, "page/page.ts")],
    bundle: true,
    format: "iife",
    outfile: join(here, "build/page.js"),
  });
  // One process for all files: they share the server and the browser.
  const files = readdirSync(join(here, "tests")).filter((file) => file.endsWith(".test.ts"));
  const chosen = files.filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  await build({
    stdin: { contents: chosen.map((file) => `import "./tests/${file}";`).join("\n"), resolveDir: here },
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    sourcemap: "inline",
    outfile: join(here, "build/suite.mjs"),
  });
}

function must(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: "inherit" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed in ${cwd}`);
}
