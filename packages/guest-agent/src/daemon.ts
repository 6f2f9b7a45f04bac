/**
 * The daemon: composes the cell, its clock, its storage, xenstore and the socket, and ends them in order.
 */
import type { Server } from "node:net";
import { messageOf } from "@bioxen/kernel";
import manifest from "../package.json" with { type: "json" };
import { CellKeeper } from "./cell-keeper.ts";
import { CellStore } from "./cell-store.ts";
import { FolderLock } from "./folder-lock.ts";
import { CELL_MODEL } from "./held-cell.ts";
import { REPORT_MS, TICK_MS } from "./limits.ts";
import { MachineIdentity } from "./machine-identity.ts";
import { type AgentReport, type CellReply, PROTOCOL_VERSION, type SampleReport } from "./protocol.ts";
import { Pulse } from "./pulse.ts";
import { Reports } from "./reports.ts";
import { type AgentView, replyTo } from "./requests.ts";
import { listenAt, prepareSocket, usable } from "./socket-server.ts";
import { Xenstore } from "./xenstore.ts";

export const AGENT_VERSION: string = manifest.version;

export interface DaemonSettings {
  readonly stateDir: string;
  readonly socket: string;
  readonly pollMs: number;
  readonly saveMs: number;
  /** The environment variable PATH, in which the xenstore tools are looked up. */
  readonly path: string;
  /** Receives a line for the machine's journal. */
  readonly log: (line: string) => void;
}

export class Daemon implements AgentView {
  readonly keeper: CellKeeper;
  readonly #settings: DaemonSettings;
  readonly #store: CellStore;
  readonly #xenstore: Xenstore;
  readonly #identity: MachineIdentity;
  readonly #reports: Reports;
  readonly #pulse = new Pulse(() => performance.now());
  readonly #repeated: Repeated[] = [];
  readonly #startedAtMs = Date.now();
  #lock: FolderLock | undefined;
  #server: Server | undefined;

  constructor(settings: DaemonSettings) {
    this.#settings = settings;
    this.#store = new CellStore(settings.stateDir, settings.log);
    this.keeper = new CellKeeper(this.#store, settings.log);
    this.#xenstore = new Xenstore(settings.path);
    this.#identity = new MachineIdentity(this.#xenstore, this.keeper);
    this.#reports = new Reports(this.#xenstore, settings.log, () => performance.now());
  }

  /** Starts the agent. Rejects with a `SettingsError` if the settings are wrong. */
  async start(): Promise<void> {
    const { socket, pollMs, saveMs, log } = this.#settings;
    await prepareSocket(socket);
    const { stateDir, path } = this.#settings;
    await usable(`state folder ${stateDir}`, this.#store.open());
    this.#lock = await usable(`state folder ${stateDir}`, FolderLock.take(stateDir, path, log));
    // A stored cell lives before the first request arrives.
    await this.#follow();
    this.#server = await usable(
      `socket ${socket}`,
      listenAt(socket, (line) => replyTo(line, this)),
    );
    const repeat = (everyMs: number, body: () => unknown) => {
      this.#repeated.push(new Repeated(everyMs, body, log));
    };
    repeat(TICK_MS, () => this.keeper.cell?.tick(this.#pulse.elapsedMs()));
    repeat(pollMs, () => this.#follow());
    repeat(REPORT_MS, () => this.#report());
    repeat(saveMs, () => this.keeper.saveIfAlive());
  }

  /** Stores the cell and ends the agent. */
  async stop(): Promise<void> {
    for (const repeated of this.#repeated) repeated.end();
    this.#server?.close();
    await this.keeper.saveIfAlive();
    await this.keeper.close();
    await this.#lock?.release();
  }

  async status(): Promise<CellReply<"status">> {
    const { stateDir, socket, pollMs } = this.#settings;
    const { cell } = this.keeper;
    const { version, protocol, model, state, reason } = this.#agent();
    return {
      ok: true,
      agent: { version, protocol, model, state, ...(reason === undefined ? {} : { reason }) },
      ...(cell === undefined ? {} : { identity: identityOf(cell.spec), paused: cell.paused }),
      ...(cell === undefined ? {} : { simMinutes: cell.sample()?.simMinutes ?? 0 }),
      settings: {
        stateDir,
        socket,
        pollMs,
        xenstore: this.#xenstore.isPresent(),
        ...(cell === undefined ? {} : { timeScale: cell.timeScale }),
      },
      damaged: [...(await this.#store.damaged())],
    };
  }

  defaultTimeScale(): number {
    return this.#identity.identity?.timeScale ?? 1;
  }

  seen(): MachineIdentity["seen"] {
    return this.#identity.seen;
  }

  requireIdentity(vmId: string, incarnation: number): void {
    this.#identity.requireIdentity(vmId, incarnation);
  }

  async #follow(): Promise<void> {
    const before = this.#identity.trouble;
    await this.#identity.follow();
    const { trouble } = this.#identity;
    if (trouble !== undefined && trouble !== before) this.#settings.log(trouble);
  }

  report(): AgentReport {
    const { cell, lines } = this.keeper;
    const report = { ...this.#agent(), startedAtMs: this.#startedAtMs, lastLine: lines.last };
    if (cell === undefined) return report;
    const { incarnation, fence } = cell.spec;
    return { ...report, incarnation, fence };
  }

  #report(): Promise<void> {
    const { cell } = this.keeper;
    const sample = cell?.sample();
    if (cell === undefined || sample === undefined) return this.#reports.write(this.report(), undefined);
    const { incarnation, fence } = cell.spec;
    const report: SampleReport = { incarnation, fence, ...sample };
    return this.#reports.write(this.report(), report);
  }

  #agent(): AgentReport {
    const { cell, failure } = this.keeper;
    const agent = { version: AGENT_VERSION, protocol: PROTOCOL_VERSION, model: CELL_MODEL };
    if (failure !== undefined) return { ...agent, state: "failed", reason: failure };
    const { trouble } = this.#identity;
    const state = cell === undefined ? "waiting" : "running";
    return trouble === undefined ? { ...agent, state } : { ...agent, state, reason: trouble };
  }
}

function identityOf(spec: {
  vmId: string;
  incarnation: number;
  fence: number;
  restores?: number | undefined;
}) {
  const { vmId, incarnation, fence, restores = 0 } = spec;
  return { vmId, incarnation, fence, restores };
}

/** Calls `body` again and again, each time `everyMs` after its last call ended; a failure is logged. */
class Repeated {
  #timer: NodeJS.Timeout;
  #isEnded = false;

  constructor(everyMs: number, body: () => unknown, log: (line: string) => void) {
    const round = async () => {
      try {
        await body();
      } catch (error) {
        log(messageOf(error));
      }
      if (!this.#isEnded) this.#timer = setTimeout(round, everyMs);
    };
    this.#timer = setTimeout(round, everyMs);
  }

  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
  }
}
