// A cluster of real processes on loopback: NATS, etcd, one coordinator, two workers and, if wanted, two gateways, of
// which one can be killed.

import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { makeClips, removeClips } from "./clips";
import { eventually } from "./patience";
import { BINARY, MANAGEMENT_TOKEN, PART, TOKEN_SECRET } from "./server";

/** Beside the all-in-one. */
const BINARIES = dirname(BINARY);

/** Suites that run at the same time have their own. */
const PORTS_OF_A_PART = 1000;
let nextPort = 21_000 + PART * PORTS_OF_A_PART;

/** Debian keeps servers where only root looks. */
const DEBIAN = "/usr/sbin";

const WORKERS = ["w1", "w2"];

const GATEWAYS = ["g1", "g2"];

interface RoomShown {
  worker: string;
}

export class Cluster {
  readonly origin: string;
  private readonly processes: Map<string, ChildProcess>;
  private readonly dir: string;
  /** How a process finds the others. */
  private readonly joined: string[];

  /** What gateways play from; none without gateways. */
  private clips: string | null = null;

  private constructor(origin: string, processes: Map<string, ChildProcess>, dir: string, joined: string[]) {
    this.origin = origin;
    this.joined = joined;
    this.processes = processes;
    this.dir = dir;
  }

  static async start(): Promise<Cluster> {
    const dir = mkdtempSync(join(tmpdir(), "velella-e2e-"));
    const [nats, etcd, peers, http, ...admins] = await Promise.all(Array.from({ length: 6 }, freePort));
    const clients = `http://127.0.0.1:${etcd}`;
    const joined = [`--nats-url=nats://127.0.0.1:${nats}`, `--etcd-url=${clients}`];
    const processes = new Map([
      ["nats", start(server("nats-server"), ["-a", "127.0.0.1", "-p", String(nats)], "nats")],
      ["etcd", start(server("etcd"), etcdArguments(clients, `http://127.0.0.1:${peers}`, join(dir, "etcd")), "etcd")],
    ]);
    const coordinator = ["--coordinator-id=c1", `--listen=127.0.0.1:${http}`, "--demo", ...joined];
    processes.set("c1", start(join(BINARIES, "velella-coordinator"), coordinator, "c1"));
    for (const [at, name] of WORKERS.entries()) {
      const own = [`--worker-id=${name}`, "--udp=127.0.0.1:0", `--admin=127.0.0.1:${admins[at]}`, "--shards=1"];
      processes.set(name, start(join(BINARIES, "velella-worker"), [...own, ...joined], name));
    }
    const cluster = new Cluster(`http://127.0.0.1:${http}`, processes, dir, joined);
    await cluster.until("both workers take rooms", async () => {
      const totals = (await cluster.ask("totals").catch(() => null)) as { workers_ready: number } | null;
      return totals?.workers_ready === WORKERS.length;
    });
    return cluster;
  }

  /** The same with gateways. */
  static async withGateways(): Promise<Cluster> {
    const cluster = await Cluster.start();
    cluster.clips = makeClips();
    for (const name of GATEWAYS) {
      const sources = [`--files=${cluster.clips}`, "--allow-sources=127.0.0.0/8", "--rtmp=127.0.0.1:0"];
      const own = [
        `--gateway-id=${name}`,
        "--gateway-ip=127.0.0.1",
        `--admin=127.0.0.1:${await freePort()}`,
        ...sources,
      ];
      cluster.processes.set(name, start(join(BINARIES, "velella-gateway"), [...own, ...cluster.joined], name));
    }
    await cluster.until("both gateways take jobs", async () => {
      const { gateways } = (await cluster.ask("gateways")) as { gateways: { state: string }[] };
      return gateways.filter(({ state }) => state === "ready").length === GATEWAYS.length;
    });
    return cluster;
  }

  /** The base address of the SDKs. */
  base(scheme: "ws" | "http"): string {
    return `${this.origin.replace(/^http/, scheme)}/api/v1/connect/e2e`;
  }

  /** The worker that serves a room. */
  async workerOf(room: string): Promise<string> {
    const { worker } = (await this.ask(`rooms/${room}/placement`)) as RoomShown;
    return worker;
  }

  /** Without a word. */
  kill(name: string): void {
    this.processes.get(name)?.kill("SIGKILL");
  }

  async stop(): Promise<void> {
    const running = [...this.processes.values()].filter(({ exitCode, signalCode }) => exitCode === null && !signalCode);
    await Promise.all(running.map((process) => ended(process)));
    rmSync(this.dir, { recursive: true });
    if (this.clips) removeClips(this.clips);
  }

  /** A cluster that does not come up leaves nothing behind: its processes would keep the suite from ending. */
  private async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    try {
      await eventually(what, holds);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  private async ask(path: string): Promise<unknown> {
    const headers = { authorization: `Bearer ${MANAGEMENT_TOKEN}` };
    const response = await fetch(`${this.origin}/cluster/${path}`, { headers });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
  }
}

function etcdArguments(clients: string, peers: string, data: string): string[] {
  return [
    "--name=m0",
    `--data-dir=${data}`,
    `--listen-client-urls=${clients}`,
    `--advertise-client-urls=${clients}`,
    `--listen-peer-urls=${peers}`,
    `--initial-advertise-peer-urls=${peers}`,
    `--initial-cluster=m0=${peers}`,
  ];
}

function start(binary: string, args: string[], name: string): ChildProcess {
  const secrets = { VELELLA_MANAGEMENT_TOKEN: MANAGEMENT_TOKEN, VELELLA_TOKEN_SECRET: TOKEN_SECRET };
  const seals = { VELELLA_SOURCE_SECRET: TOKEN_SECRET };
  const env = { ...process.env, ...seals, ...(args.includes("--demo") ? secrets : {}), NO_COLOR: "1" };
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"], env });
  const log = createWriteStream(resolve(`artifacts/cluster-${PART}-${name}.log`));
  child.stdout.pipe(log);
  child.stderr.pipe(log);
  child.once("error", (error) => log.write(`${binary}: ${error.message}\n`));
  return child;
}

function ended(child: ChildProcess): Promise<unknown> {
  const over = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  return over;
}

function server(name: string): string {
  const debian = join(DEBIAN, name);
  return existsSync(debian) ? debian : name;
}

/** A port that stays free until a process takes it: the system gives none of these to connections (they begin at 32768). */
async function freePort(): Promise<number> {
  for (;;) {
    const port = nextPort++;
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((told) => {
    const listener = createServer();
    listener.once("error", () => told(false));
    listener.listen(port, "127.0.0.1", () => listener.close(() => told(true)));
  });
}
