/**
 * The guest agent of each running guest, as a real process of this machine.
 *
 * The fake is given a command line and knows only its words: `run --socket S --state-dir D` runs the agent, and `call
 * --socket S` passes one request on. The process reaches the fake through the tools of its xenstore alone. Its state
 * folder is the first disk of the VM: the disk is copied when the VM is cloned, when a snapshot is taken and when the VM
 * is reverted.
 *
 * A fake memory image has no memory. A suspended guest ends with SIGTERM, upon which an agent stores its cell, and a new
 * process continues from the disk at the resume. What a real image keeps beyond that is lost here: open connections,
 * lines that were not read, everything that the agent has not stored, and the fact that no time passes for the process.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { GuestXenstore } from "./guest-xenstore.ts";
import { Reaper } from "./reaper.ts";

export interface GuestAgentOptions {
  /** The agent's command: a program and its first arguments. The program is an absolute path. */
  readonly command: readonly [string, ...string[]];
  /** Further arguments of `run`. Default: none. */
  readonly runArguments?: readonly string[] | undefined;
  /** Whether the machines lack the tools of xenstore. Default false. */
  readonly lacksXenstoreTools?: boolean | undefined;
}

/** Time that an agent has to end after SIGTERM, ms; a guest that shuts down kills what is left after about as long. */
const END_MS = 10_000;

/** Time between two looks for the socket of an agent, ms. */
const LOOK_MS = 20;
/** Mode of the folders of an agent, as its service in a machine gives them. */
const OWNER_ONLY = 0o700;

interface Guest {
  readonly disk: string;
  readonly xenstore: GuestXenstore;
  readonly socket: string;
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
}

/** What the start of a guest needs. */
export interface GuestStart {
  /** The reference of the VM. */
  readonly vm: string;
  /** The reference of its first disk; undefined for a VM without a disk, which has no agent. */
  readonly disk: string | undefined;
  readonly xenstoreData: Readonly<Record<string, string>>;
  readonly onXenstore: (data: Readonly<Record<string, string>>) => void;
}

export class GuestAgents {
  readonly #options: GuestAgentOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), "fake-xapi-"));
  readonly #guests = new Map<string, Guest>();
  /** By disk, the end of the last agent that used it. */
  readonly #ends = new Map<string, Promise<void>>();
  readonly #reaper = new Reaper(this.#folder);
  #nextGuest = 1;

  constructor(options: GuestAgentOptions) {
    this.#options = options;
  }

  /** Process ids of the agents that run, by the reference of their VM. */
  get processes(): ReadonlyMap<string, number> {
    return new Map([...this.#guests].map(([vm, { process }]) => [vm, process.pid ?? 0]));
  }

  /** The folder of everything that the agents have. */
  get folder(): string {
    return this.#folder;
  }

  #diskFolder(disk: string): string {
    return join(this.#folder, "disks", disk.replaceAll(/[^A-Za-z0-9-]/g, "_"));
  }

  copyDisk(from: string, to: string): void {
    if (existsSync(this.#diskFolder(from)))
      cpSync(this.#diskFolder(from), this.#diskFolder(to), { recursive: true });
  }

  removeDisk(disk: string): void {
    this.#ends.delete(disk);
    rmSync(this.#diskFolder(disk), { recursive: true, force: true });
  }

  /** Starts the agent of a guest, once the last agent on its disk has ended. */
  async begin({ vm, disk, xenstoreData, onXenstore }: GuestStart): Promise<void> {
    if (disk === undefined) return;
    await this.#ends.get(disk);
    if (this.#guests.has(vm)) return;
    const { command, runArguments = [], lacksXenstoreTools = false } = this.#options;
    // A path of a socket has at most 108 bytes on Linux, so the folder has a short name.
    const folder = join(this.#folder, `guest-${this.#nextGuest}`);
    this.#nextGuest += 1;
    const xenstore = new GuestXenstore(folder, xenstoreData, onXenstore);
    const socket = join(folder, "run", "cell.sock");
    for (const own of [join(folder, "run"), this.#diskFolder(disk)]) {
      mkdirSync(own, { recursive: true, mode: OWNER_ONLY });
    }
    const [program, ...first] = command;
    const args = [
      ...first,
      "run",
      "--socket",
      socket,
      "--state-dir",
      this.#diskFolder(disk),
      ...runArguments,
    ];
    const PATH = lacksXenstoreTools ? "/nonexistent" : xenstore.tools;
    const process = spawn(program, args, { env: { PATH }, stdio: "ignore" });
    const { pid } = process;
    if (pid !== undefined) this.#reaper.add(pid);
    const exited = new Promise<void>((resolve) => {
      process.once("exit", () => {
        if (pid !== undefined) this.#reaper.remove(pid);
        resolve();
      });
      process.once("error", () => resolve());
    });
    this.#guests.set(vm, { disk, xenstore, socket, process, exited });
  }

  /**
   * Resolves once the agent of a resumed guest listens, or after {@link END_MS}: the process of a memory image is there
   * as soon as the domain runs.
   */
  async listening(vm: string): Promise<void> {
    const endMs = Date.now() + END_MS;
    for (;;) {
      const guest = this.#guests.get(vm);
      if (guest === undefined || existsSync(guest.socket) || Date.now() > endMs) return;
      await delay(LOOK_MS);
    }
  }

  pause(vm: string): void {
    this.#guests.get(vm)?.process.kill("SIGSTOP");
  }

  resume(vm: string): void {
    this.#guests.get(vm)?.process.kill("SIGCONT");
  }

  /** Replaces the guest's xenstore; see {@link GuestXenstore.replace}. */
  replaceXenstore(vm: string, data: Readonly<Record<string, string>>): void {
    this.#guests.get(vm)?.xenstore.replace(data);
  }

  /** Writes one key as another program in the guest does, for tests. */
  writeXenstore(vm: string, key: string, value: string): void {
    const tool = join(this.#guests.get(vm)?.xenstore.tools ?? "", "xenstore-write");
    execFileSync(tool, [key, value]);
  }

  /** Lets the agent end by itself, and resolves once it has. */
  async terminate(vm: string): Promise<void> {
    const guest = this.#guests.get(vm);
    if (guest === undefined) return;
    guest.process.kill("SIGTERM");
    const timer = setTimeout(() => guest.process.kill("SIGKILL"), END_MS);
    await guest.exited;
    clearTimeout(timer);
    this.#forget(vm, guest);
  }

  /** Ends the agent at once, as the loss of its machine does. */
  kill(vm: string): void {
    const guest = this.#guests.get(vm);
    if (guest === undefined) return;
    guest.process.kill("SIGKILL");
    this.#forget(vm, guest);
  }

  #forget(vm: string, { disk, xenstore, exited }: Guest): void {
    this.#ends.set(disk, exited);
    xenstore.close();
    this.#guests.delete(vm);
  }

  /**
   * Runs `call` in the guest with this request on its standard input. Resolves with its exit status and output;
   * undefined for a guest without an agent's command.
   */
  async call(
    vm: string,
    input: string,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string } | undefined> {
    const guest = this.#guests.get(vm);
    if (guest === undefined) return undefined;
    const [program, ...first] = this.#options.command;
    const child = spawn(program, [...first, "call", "--socket", guest.socket], { env: { PATH: "" }, signal });
    const output = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      output.stderr += text;
    });
    // The command may end before it has read everything.
    child.stdin.on("error", () => undefined).end(input);
    const status = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve(code ?? 1));
    });
    return { status, ...output };
  }

  /** Ends every agent and removes the disks. A fake that is killed has the same end ({@link Reaper}). */
  async close(): Promise<void> {
    const guests = [...this.#guests];
    for (const [vm] of guests) this.kill(vm);
    await Promise.all(guests.map(([, { exited }]) => exited));
    await this.#reaper.close();
  }
}
