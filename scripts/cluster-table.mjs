#!/usr/bin/env node
// Shows the cluster of this machine until Ctrl-C: who runs, and what each worker has to do.
//
// usage: scripts/cluster-table.mjs [--once]
import { readdirSync, readFileSync } from "node:fs";

const HERE = new URL(`../${process.env.CARGO_TARGET_DIR ?? "target"}/cluster/`, import.meta.url);
const COORDINATORS = ["http://localhost:5002", "http://localhost:5003"];
const TOKEN = "development";
const REFRESH_MS = 1000;
const PATIENCE_MS = 800;

/** The pids of what was started, by name; those that still run. */
function running() {
  const files = readdirSync(HERE).filter((file) => file.endsWith(".pid"));
  const pids = files.map((file) => [file.slice(0, -4), Number.parseInt(readFileSync(new URL(file, HERE), "utf8"))]);
  return new Map(pids.filter(([, pid]) => lives(pid)));
}

function lives(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function ask(url, path) {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const answer = await fetch(url + path, { headers: { authorization: `Bearer ${TOKEN}` }, signal });
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
}

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  return rows.map((row) => row.map((cell, column) => String(cell).padEnd(widths[column])).join("  ").trimEnd());
}

function workerRow({ worker, state, alive, suspect, cordon, rooms_placed, load, endpoints }, pids) {
  const standing = !alive ? "dead" : (cordon ?? (suspect ? "suspect" : state));
  const share = `${(load.cpu_permille / 10).toFixed(1)} %`;
  return [worker, standing, pids.get(worker) ?? "-", rooms_placed, load.sessions, share, endpoints.join(" ")];
}

async function picture() {
  const pids = running();
  const answers = await Promise.all(COORDINATORS.map((url) => ask(url, "/cluster/workers")));
  const servers = [...pids].filter(([name]) => !/^(coordinator|worker)-/.test(name));
  const doors = COORDINATORS.map((url, index) => {
    const name = `coordinator-${index + 1}`;
    return [name, answers[index] ? "answers" : "silent", pids.get(name) ?? "-", `${url}  ${url}/admin`];
  });
  const workers = answers.find(Boolean)?.workers ?? [];
  return [
    ...table([["COORDINATOR", "STATE", "PID", "OPEN"], ...doors]),
    "",
    ...table([
      ["WORKER", "STATE", "PID", "ROOMS", "SESSIONS", "LOAD", "MEDIA"],
      ...workers.map((worker) => workerRow(worker, pids)),
    ]),
    "",
    `${servers.map(([name, pid]) => `${name} ${pid}`).join("   ")}`,
    "",
    `Management token: ${TOKEN}. Logs: target/cluster/*.log. Try kill -9 PID; make cluster brings it back.`,
    "Ctrl-C leaves the cluster running; make cluster-down ends it.",
  ];
}

if (process.argv.includes("--once")) {
  console.log((await picture()).join("\n"));
} else {
  process.stdout.write("\x1b[2J");
  for (;;) {
    const lines = await picture();
    // Home, and clear to the end of each line and of the screen: no flicker.
    process.stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
  }
}
