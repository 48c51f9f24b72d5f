// Builds the test page and the tests, then runs them with node's own runner.
// `npm test` runs everything, `npm test simulcast room` only the files whose names contain one of the words.
// E2E_PARTS=2 runs them in so many parts at the same time, each with a server and a browser: faster only where browsers have cores enough.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const web = join(root, "coordinator/web");
const words = process.argv.slice(2);

prepare();
await bundlePage();
const parts = split(chosen(), Number(process.env.E2E_PARTS ?? 1));
const failed = (await Promise.all(parts.map(runPart))).includes(false);
process.exit(failed ? 1 : 0);

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

function bundlePage() {
  return build({
    entryPoints: [join(here, "page/page.ts")],
    bundle: true,
    format: "iife",
    outfile: join(here, "build/page.js"),
  });
}

/** The files to run; those with the most text first, which takes longest as a rule. */
function chosen() {
  const files = readdirSync(join(here, "tests")).filter((file) => file.endsWith(".test.ts"));
  const size = (file) => statSync(join(here, "tests", file)).size;
  return files
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .map((file) => ({ file, size: size(file) }))
    .sort((one, other) => other.size - one.size);
}

/** Deals files out so that parts take about the same time. */
function split(files, count) {
  const parts = Array.from({ length: Math.min(count, files.length) }, () => ({ files: [], size: 0 }));
  for (const { file, size } of files) {
    const least = parts.reduce((one, other) => (other.size < one.size ? other : one));
    least.files.push(file);
    least.size += size;
  }
  return parts.map((part) => part.files);
}

/** One process for all files of a part: they share the server and the browser. Says whether all passed. */
async function runPart(files, at) {
  const suite = `build/suite-${at}.mjs`;
  await build({
    stdin: { contents: files.map((file) => `import "./tests/${file}";`).join("\n"), resolveDir: here },
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    sourcemap: "inline",
    outfile: join(here, suite),
  });
  const args = ["--enable-source-maps", "--test", "--test-reporter=spec", suite];
  const env = { ...process.env, E2E_PART: String(at) };
  const running = spawn(process.execPath, args, { cwd: here, stdio: ["ignore", "pipe", "inherit"], env });
  // The first part tells how it goes, the others when they are through.
  const told = [];
  running.stdout.on("data", (text) => (at === 0 ? process.stdout.write(text) : told.push(text)));
  const status = await new Promise((ended) => running.once("close", ended));
  process.stdout.write(Buffer.concat(told));
  return status === 0;
}

function must(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: "inherit" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed in ${cwd}`);
}
