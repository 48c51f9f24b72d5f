// The real server: the all-in-one binary on free loopback ports.

import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { makeCertificate, makeClips, removeClips } from "./clips";
import { eventually, PATIENCE_MS } from "./patience";

export const BINARY = process.env.VELELLA_BIN ?? resolve("../../target/debug/velella");

/** Which of the suites that run at the same time this is, from 0. */
export const PART = Number(process.env.E2E_PART ?? 0);

const LOG = resolve(`artifacts/server-${PART}.log`);
const LISTENING = /listening on (http:\/\/[^\s]+)/;

export const MANAGEMENT_TOKEN = "development";

/** Signs the peer tokens, so that tests can sign some that the server never would. */
export const TOKEN_SECRET = "a secret that only the tests know, 32 bytes at least";

export class Server {
  /** `http://127.0.0.1:port` */
  readonly origin: string;
  private readonly process: ChildProcess;

  private readonly clips: string;

  private constructor(origin: string, process: ChildProcess, clips: string) {
    this.origin = origin;
    this.process = process;
    this.clips = clips;
  }

  static async start(): Promise<Server> {
    const clips = makeClips();
    const media = ["--udp", "127.0.0.1:0", "--rtmp", "127.0.0.1:0", "--srt", "127.0.0.1:0", "--files", clips];
    const encrypted = ["--rtmps", "127.0.0.1:0", ...makeCertificate(clips)];
    // The one process counts everything it does, so what its gateway may cost is no measure here.
    const gateway = ["--allow-sources", "127.0.0.0/8", "--jobs-permille-max", "16000"];
    const places = ["--listen", "127.0.0.1:0", ...media, ...encrypted, ...gateway];
    const child = spawn(BINARY, [...places, "--workers", "2"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        VELELLA_MANAGEMENT_TOKEN: MANAGEMENT_TOKEN,
        VELELLA_TOKEN_SECRET: TOKEN_SECRET,
        RUST_BACKTRACE: "1",
        NO_COLOR: "1",
      },
    });
    const log = createWriteStream(LOG);
    child.stderr.pipe(log);
    const origin = await new Promise<string>((found, failed) => {
      const late = setTimeout(
        () => failed(new Error(`${BINARY} did not say where it listens, see ${LOG}`)),
        PATIENCE_MS,
      );
      createInterface(child.stdout).on("line", (line) => {
        log.write(`${line}\n`);
        const [, url] = LISTENING.exec(line) ?? [];
        if (!url) return;
        clearTimeout(late);
        found(url.replace(/\/$/, ""));
      });
      child.once("error", failed);
      child.once("exit", (code) => failed(new Error(`${BINARY} ended with ${code}, see ${LOG}`)));
    });
    return new Server(origin, child, clips);
  }

  /** Waits until it knows a worker that takes rooms; before that it answers 503. */
  async ready(): Promise<void> {
    await eventually("a worker is known", async () => {
      const response = await fetch(`${this.origin}/cluster/workers`, {
        headers: { authorization: `Bearer ${MANAGEMENT_TOKEN}` },
      });
      const { workers } = (await response.json()) as { workers: { state: string }[] };
      return workers.some(({ state }) => state === "ready");
    });
  }

  /** Whether it still lives; a server that died fails the test that notices. */
  get alive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Its children, which are transcoders. */
  transcoders(): number[] {
    const tasks = `/proc/${this.process.pid}/task`;
    const children = readdirSync(tasks).map((task) => readFileSync(`${tasks}/${task}/children`, "utf8"));
    return children.flatMap((pids) => pids.split(" ").filter(Boolean).map(Number));
  }

  /** The base address of the SDKs: `ws://…` for clients, `http://…` for servers. */
  base(scheme: "ws" | "http", origin = this.origin): string {
    return `${origin.replace(/^http/, scheme)}/api/v1/connect/e2e`;
  }

  async stop(): Promise<void> {
    removeClips(this.clips);
    if (!this.alive) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    const late = setTimeout(() => this.process.kill("SIGKILL"), PATIENCE_MS);
    await ended;
    clearTimeout(late);
  }
}
