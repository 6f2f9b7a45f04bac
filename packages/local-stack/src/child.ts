/**
 * One supervised process of the stack: it is started, restarted when it dies, and stopped on request.
 *
 * The wait before a restart doubles from 100 ms to 5 s, and is reset after a run of 10 s. A process that exits with
 * code 78 (wrong configuration) is not restarted, because it would exit the same way again.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fchmodSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { ServerGuard } from "./server-guard.ts";

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;
/** A run of this length, ms, resets the wait before the next restart. */
const STABLE_AFTER_MS = 10_000;
/** Time from SIGTERM to SIGKILL, ms. */
const STOP_DEADLINE_MS = 6_000;
const EXIT_MISCONFIGURED = 78;
/** Logs hold ids: only the owner of the stack reads them. */
const LOG_MODE = 0o600;
/** Number of characters that `tail` returns from the end of a process's log. */
const TAIL_CHARACTERS = 1_500;

export interface ChildSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  /**
   * True: the child process sends `{kind: "ready", url?}` over its IPC channel, and ends when the channel closes. False: the
   * child counts as ready once it runs, and a guard ends the child when this process is killed.
   */
  readonly speaksReady: boolean;
}

export type ChildState = "starting" | "ready" | "waiting" | "failed" | "ended";

export class SupervisedChild {
  readonly spec: ChildSpec;
  readonly #onChange: (child: SupervisedChild) => void;
  #process: ChildProcess | undefined;
  #state: ChildState = "starting";
  #restarts = 0;
  #waitMs = FIRST_WAIT_MS;
  #timer: NodeJS.Timeout | undefined;
  #ending = false;
  #refusal: string | undefined;
  #misconfiguration: string | undefined;
  #url: string | undefined;
  readonly #listeners = new Set<() => void>();
  #closed: Promise<void> = Promise.resolve();

  constructor(spec: ChildSpec, onChange: (child: SupervisedChild) => void = () => undefined) {
    this.spec = spec;
    this.#onChange = onChange;
  }

  get state(): ChildState {
    return this.#state;
  }

  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** The reason why the process refuses to run, even after a restart, in one sentence; undefined without a refusal. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** What is wrong with the configuration of the process; undefined when the process did not say so. */
  get misconfiguration(): string | undefined {
    return this.#misconfiguration;
  }

  /** The address that the process told when it became ready; undefined for a process that tells none. */
  get url(): string | undefined {
    return this.#url;
  }

  get restarts(): number {
    return this.#restarts;
  }

  start(): void {
    const log = openSync(this.spec.logFile, "a", LOG_MODE);
    // The mode above does not change a file of an earlier release.
    fchmodSync(log, LOG_MODE);
    const child = spawn(this.spec.command, [...this.spec.args], {
      env: this.spec.env,
      stdio: this.spec.speaksReady ? ["ignore", log, log, "ipc"] : ["ignore", log, log],
      // A separate process group: Ctrl-C on the terminal reaches only the stack, which stops its children in order.
      detached: true,
    });
    closeSync(log);
    const startedAtMs = Date.now();
    this.#process = child;
    const guard = this.spec.speaksReady || child.pid === undefined ? undefined : new ServerGuard(child.pid);
    this.#set("starting");
    if (!this.spec.speaksReady) child.once("spawn", () => this.#set("ready"));
    child.on("message", (message: { kind?: unknown; why?: unknown; url?: unknown }) => {
      if (message.kind === "ready") {
        this.#url = message.url === undefined ? undefined : String(message.url);
        this.#set("ready");
      }
      if (message.kind === "misconfigured") this.#misconfiguration = String(message.why);
      if (message.kind === "refused") this.#refusal = String(message.why);
    });
    this.#closed = new Promise((resolve) => {
      let isOver = false;
      const ended = (code: number | null) => {
        if (isOver) return;
        isOver = true;
        guard?.release();
        resolve();
        this.#process = undefined;
        this.#ended(code, Date.now() - startedAtMs);
      };
      child.once("error", () => ended(null));
      child.once("exit", (code) => ended(code));
    });
  }

  #ended(code: number | null, livedMs: number): void {
    if (this.#ending || code === EXIT_MISCONFIGURED || this.#refusal !== undefined) {
      this.#set(this.#ending ? "ended" : "failed");
      return;
    }
    if (livedMs >= STABLE_AFTER_MS) this.#waitMs = FIRST_WAIT_MS;
    this.#set("waiting");
    this.#timer = setTimeout(() => {
      this.#restarts += 1;
      this.start();
    }, this.#waitMs);
    this.#waitMs = Math.min(LONGEST_WAIT_MS, this.#waitMs * 2);
  }

  #set(state: ChildState): void {
    this.#state = state;
    this.#onChange(this);
    for (const listener of [...this.#listeners]) listener();
  }

  /**
   * Resolves to true when the process becomes ready within `deadlineMs`. Resolves to false after that time, and at once
   * when the process cannot become ready any more: it was stopped, its configuration is wrong, or it refuses to run.
   */
  whenReady(deadlineMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const answer = (ready: boolean) => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        resolve(ready);
      };
      const look = () => {
        if (this.#state === "ready") answer(true);
        else if (this.#ending || this.#state === "failed") answer(false);
      };
      const timer = setTimeout(() => answer(false), deadlineMs);
      this.#listeners.add(look);
      look();
    });
  }

  /** Stops the process without a restart; resolves when it has exited. */
  async stop(): Promise<void> {
    this.#ending = true;
    for (const listener of [...this.#listeners]) listener();
    clearTimeout(this.#timer);
    const child = this.#process;
    if (child === undefined) {
      this.#set("ended");
      return;
    }
    child.kill("SIGTERM");
    const killer = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS);
    await this.#closed;
    clearTimeout(killer);
  }

  /** Resolves with the end of the process's log, for an error text. */
  async tail(): Promise<string> {
    const text = await readFile(this.spec.logFile, "utf8").catch(() => "");
    return text.slice(-TAIL_CHARACTERS).trim();
  }
}
