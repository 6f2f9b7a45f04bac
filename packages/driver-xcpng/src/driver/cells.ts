/**
 * The cells in the machines of a pool: waits for them, starts them where xenstore cannot, and passes the driver's verbs
 * on to their guest agents.
 *
 * An identity that fits into xenstore starts its cell without a call. Everything else goes over SSH: programs, resizes,
 * checkpoints, and every machine without the tools of xenstore.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { AgentReport } from "@bioxen/guest-agent/protocol";
import { messageOf } from "@bioxen/kernel";
import { DriverError, type ExecOutcome, type GuestEvent, type GuestSpec } from "@bioxen/vm-driver";
import { ANSWER_MARGIN_MS } from "../ssh/limits.ts";
import { type CellCalls, NoGuestAgent } from "./cell-calls.ts";
import { CellReports, cellFailed, isCell, type KnownCell } from "./cell-reports.ts";
import { cellAllocation, cellNeeds, cellSpecOf, identityOf } from "./cell-settings.ts";
import type { Inventory, OwnVm } from "./inventory.ts";
import { AGENT_LOOK_MS, AGENT_PROGRESS_MS, FIRST_PROBE_WAIT_MS, MAX_PROBE_WAIT_MS } from "./limits.ts";

export interface CellsOptions {
  readonly inventory: Pick<Inventory, "own" | "allOwn">;
  /** Calls into machines; undefined without SSH. */
  readonly calls: CellCalls | undefined;
  /** Simulated minutes per second. */
  readonly timeScale: number;
  /** How long a start waits for the guest agent that its VM needs, ms. */
  readonly waitMs: number;
  readonly emit: (event: GuestEvent) => void;
}

/** The remedy in every error about a missing guest agent. */
const REMEDY =
  "install bioxen-cell in its template, and configure SSH into machines (docs/how-to/xcpng.md), or leave out what needs a cell";

export class Cells {
  readonly reports: CellReports;
  readonly #options: CellsOptions;
  /** VMs into whose machines a call of `poll` is under way. */
  readonly #busy = new Set<string>();
  #poller: NodeJS.Timeout | undefined;

  constructor(options: CellsOptions) {
    this.#options = options;
    this.reports = new CellReports(options.emit);
  }

  /**
   * Follows the cell of a machine that has just come up for `spec`. If the spec needs a cell, resolves once it lives.
   * Rejects with `UNSUPPORTED` when no guest agent has answered in time, and with the error of the cell.
   */
  async begin(vm: OwnVm, spec: GuestSpec, signal: AbortSignal): Promise<void> {
    const known = this.reports.begin(vm, spec);
    const needs = cellNeeds(spec);
    if (needs.length === 0) return;
    const { waitMs, emit } = this.#options;
    const beganMs = performance.now();
    let reportedMs = beganMs;
    for (;;) {
      const trouble = await this.#attach(vm.tags.vmId, known, spec);
      if (trouble === undefined) return;
      const nowMs = performance.now();
      if (nowMs - beganMs >= waitMs) throw unanswered(vm.tags.vmId, needs, waitMs, trouble);
      if (nowMs - reportedMs >= AGENT_PROGRESS_MS) {
        reportedMs = nowMs;
        const permille = Math.ceil((1_000 * (nowMs - beganMs)) / waitMs);
        emit({ kind: "progress", vmId: vm.tags.vmId, fence: known.fence, permille });
      }
      await delay(Math.min(AGENT_LOOK_MS, waitMs), undefined, { signal });
    }
  }

  /** Tries to reach the cell once. Resolves with why it does not live yet; undefined when it lives. */
  async #attach(vmId: string, known: KnownCell, spec: GuestSpec): Promise<string | undefined> {
    const vm = this.#running(vmId, known.fence);
    const { agent } = this.reports.of(vm);
    if (agent !== undefined && identityOf(spec, 1).boot === "xenstore") {
      const isOwn = agent.fence === spec.fence && agent.incarnation === spec.incarnation;
      if (isOwn && agent.state === "failed") throw new DriverError("GUEST_ERROR", cellFailed(agent));
      return isOwn && agent.state === "running" ? undefined : (agent.reason ?? "its cell is starting");
    }
    if (this.#options.calls === undefined)
      return "it has not reported in xenstore, and SSH is not configured";
    try {
      await this.#ask(vmId, known);
      return undefined;
    } catch (thrown) {
      const isWaiting = thrown instanceof NoGuestAgent || isUnavailable(thrown);
      if (!isWaiting) throw thrown;
      return messageOf(thrown);
    }
  }

  /**
   * Asks the agent over SSH for its state. A cell that is not that of the VM's reservation is started or taken over, and
   * a cell that is paused in a running machine is resumed. Rejects with `GUEST_ERROR` when the VM's cell has failed.
   */
  async #ask(vmId: string, known: KnownCell): Promise<void> {
    const { calls, timeScale } = this.#options;
    if (calls === undefined) return;
    const target = () => this.#running(vmId, known.fence);
    try {
      const { agent, identity, paused } = await calls.send<"status">(target, { op: "status" });
      const { tags } = target();
      const { incarnation } = tags;
      const isOwn =
        identity?.vmId === vmId && identity.incarnation === incarnation && identity.fence === known.fence;
      const { spec } = known;
      if (isOwn && agent.state === "failed") {
        this.reports.noteAgent(tags, known, { ...agent, incarnation, fence: known.fence });
        throw new DriverError("GUEST_ERROR", cellFailed(agent));
      }
      const mustBoot = spec !== undefined && !(isOwn && agent.state === "running");
      if (mustBoot) await calls.send<"boot">(target, { op: "boot", spec: cellSpecOf(spec), timeScale });
      if (paused === true && !mustBoot) await calls.send<"resume">(target, { op: "resume" });
      known.agent = mustBoot ? alive(agent) : agent;
      if (isCell(known)) known.aliveAtMs = Date.now();
      known.isAbsent = false;
      known.mustResume = false;
      known.isAsked = true;
      if (isCell(known)) await this.#sampleIfSilent(vmId, known);
    } catch (thrown) {
      if (thrown instanceof NoGuestAgent) known.isAbsent = known.isAsked = true;
      throw thrown;
    }
  }

  /** Asks for a sample, unless the agent reports its samples in xenstore. */
  async #sampleIfSilent(vmId: string, known: KnownCell): Promise<void> {
    if (known.isInXenstore) return;
    const target = () => this.#running(vmId, known.fence);
    const reply = await this.#options.calls?.send<"sample">(target, { op: "sample" });
    if (reply !== undefined) this.reports.noteSample(vmId, known, reply.sample);
  }

  /** Returns the VM's machine while it runs under `fence`. Throws `UNAVAILABLE`. */
  #running(vmId: string, fence: number): OwnVm {
    const vm = this.#options.inventory.own(vmId);
    if (vm?.tags.fence === fence && vm.record.power_state === "Running") return vm;
    throw new DriverError("UNAVAILABLE", `the machine of "${vmId}" does not run`);
  }

  /** Calls {@link poll} at this interval until {@link close}. */
  pollEvery(intervalMs: number): void {
    this.#poller = setInterval(() => void this.poll(), intervalMs);
    this.#poller.unref();
  }

  close(): void {
    clearInterval(this.#poller);
  }

  /** Looks at every running machine once: reads reports, and repeats what has not reached a cell. Does not reject. */
  async poll(): Promise<void> {
    const { inventory, calls } = this.#options;
    this.reports.keepOnly((vmId) => inventory.own(vmId) !== undefined);
    const running = inventory.allOwn().filter(({ record }) => record.power_state === "Running");
    const looks = running.map(async (vm) => {
      const known = this.reports.of(vm);
      const { vmId } = vm.tags;
      if (calls === undefined || known.isAbsent || this.#busy.has(vmId)) return;
      if (known.nextCallAtMs > Date.now()) return;
      this.#busy.add(vmId);
      try {
        await this.#look(vmId, known);
        known.waitMs = FIRST_PROBE_WAIT_MS;
      } catch {
        // The reason is known to the next exec or resize, which reports it. Here only the wait grows.
        known.nextCallAtMs = Date.now() + known.waitMs;
        known.waitMs = Math.min(MAX_PROBE_WAIT_MS, 2 * known.waitMs);
      } finally {
        this.#busy.delete(vmId);
      }
    });
    await Promise.all(looks);
  }

  async #look(vmId: string, known: KnownCell): Promise<void> {
    const isOther = known.agent?.fence !== undefined && known.agent.fence !== known.fence;
    if (!known.isAsked || known.mustResume || (isOther && known.isInXenstore)) await this.#ask(vmId, known);
    if (!isCell(known)) return;
    if (known.pending !== undefined) await this.#deliver(vmId, known, known.pending);
    await this.#readLines(vmId, known);
  }

  /**
   * Reads the printed lines, and for an agent that does not report in xenstore its state and its sample. An agent whose
   * report says that it has printed nothing since the last call is not called.
   */
  async #readLines(vmId: string, known: KnownCell): Promise<void> {
    const { calls, emit } = this.#options;
    if (calls === undefined) return;
    if (known.isInXenstore && known.agent !== undefined && hasNoNewLine(known, known.agent)) return;
    const target = () => this.#running(vmId, known.fence);
    const { fence } = known;
    const reply = await calls.send<"logs">(target, { op: "logs", after: known.lastLine });
    for (const { line } of reply.lines) emit({ kind: "log", vmId, fence, line });
    known.lastLine = reply.next;
    known.linesOfMs = reply.agent?.startedAtMs;
    if (known.isInXenstore) return;
    if (reply.agent !== undefined) this.reports.noteAgent(target().tags, known, reply.agent);
    if (reply.sample !== undefined) this.reports.noteSample(vmId, known, reply.sample);
    // An earlier release of the agent answers with the lines only.
    else if (reply.agent === undefined) await this.#sampleIfSilent(vmId, known);
  }

  /**
   * Gives the cell a new allocation. Without a cell, or without SSH, the guest's log says what is missing; the allocation
   * is delivered as soon as that is possible.
   */
  async resize(vm: OwnVm, allocation: Readonly<Record<string, number>>): Promise<void> {
    const { vmId } = vm.tags;
    const known = this.reports.of(vm);
    if (known.spec !== undefined) known.spec = { ...known.spec, allocation };
    const wanted = cellAllocation(allocation);
    if (isCell(known) && this.#options.calls !== undefined) return this.#deliver(vmId, known, wanted);
    if (!isCell(known) && Object.keys(wanted).length === 0) return;
    known.pending = wanted;
    const why = isCell(known) ? "SSH into its machine is not configured" : "no guest agent has reported";
    const line = `the cell has not got its new resources: ${why}. They act from the next start on, or: ${REMEDY}`;
    this.#options.emit({ kind: "log", vmId, fence: known.fence, line });
  }

  async #deliver(
    vmId: string,
    known: KnownCell,
    allocation: Readonly<Record<string, number>>,
  ): Promise<void> {
    known.pending = allocation;
    const target = () => this.#running(vmId, known.fence);
    await this.#options.calls?.send<"resize">(target, { op: "resize", allocation });
    if (known.pending === allocation) known.pending = undefined;
    await this.#sampleIfSilent(vmId, known);
  }

  /** Pauses the cell before its machine is paused, so that the pause takes no time of its life. */
  async pause(vm: OwnVm): Promise<void> {
    const { vmId, fence } = vm.tags;
    const known = this.reports.of(vm);
    const { calls, emit } = this.#options;
    if (calls === undefined || !isCell(known)) return;
    const target = () => this.#running(vmId, fence);
    try {
      await calls.send<"pause">(target, { op: "pause" });
      known.mustResume = true;
    } catch (thrown) {
      const line = `the cell is paused with its machine, up to some seconds late: ${messageOf(thrown)}`;
      emit({ kind: "log", vmId, fence, line });
    }
  }

  /** Resumes the cell of a machine that runs again. A failure is repeated by {@link poll}. */
  async resume(vm: OwnVm): Promise<void> {
    const known = this.reports.of(vm);
    if (!known.mustResume && known.isAsked) return;
    known.mustResume = true;
    await this.#ask(vm.tags.vmId, known).catch(() => undefined);
  }

  /** Stores the cell on the machine's disk. Resolves with its simulated minute; undefined for a machine without a cell. */
  async checkpoint(vm: OwnVm): Promise<number | undefined> {
    const known = this.reports.of(vm);
    const { calls } = this.#options;
    if (!isCell(known) || calls === undefined) return known.sample?.simMinutes;
    // A paused cell was stored when it was paused, and a machine that stands still does not answer.
    if (vm.record.power_state !== "Running") return known.sample?.simMinutes;
    const target = () => this.#running(vm.tags.vmId, known.fence);
    return (await calls.send<"checkpoint">(target, { op: "checkpoint" })).simMinutes;
  }

  /**
   * Resolves with the language of programs in the machine. Asks the machine if that is unknown. Rejects with
   * `UNAVAILABLE` while its guest agent has no living cell.
   */
  async language(vm: OwnVm): Promise<"lua" | "shell"> {
    const { vmId } = vm.tags;
    const known = this.reports.of(vm);
    if (known.agent === undefined && !known.isAbsent) {
      await this.#ask(vmId, known).catch((thrown: unknown) => {
        if (!(thrown instanceof NoGuestAgent)) throw thrown;
      });
    }
    if (known.agent === undefined) return "shell";
    if (isCell(known)) return "lua";
    const { state, reason = "it gives no reason" } = known.agent;
    throw new DriverError("UNAVAILABLE", `the guest agent of "${vmId}" has no cell (${state}): ${reason}`, {
      retryable: state === "waiting",
      details: { vmId, ran: "no" },
    });
  }

  /** Runs Lua in the cell of the machine that `target` returns. */
  async exec(target: () => OwnVm, source: string, timeoutMs: number): Promise<ExecOutcome> {
    const { calls } = this.#options;
    if (calls === undefined) throw new DriverError("UNSUPPORTED", "SSH into machines is not configured");
    const request = { op: "exec", source, timeoutMs } as const;
    const { result, stdout, instructions } = await calls.send<"exec">(
      target,
      request,
      timeoutMs + ANSWER_MARGIN_MS,
    );
    const vm = target();
    const known = this.reports.of(vm);
    await this.#sampleIfSilent(vm.tags.vmId, known).catch(() => undefined);
    return { result, stdout, instructions };
  }
}

/** Returns whether every line that the agent's report counts was read. Agents of earlier releases count no lines. */
function hasNoNewLine({ lastLine, linesOfMs }: KnownCell, agent: AgentReport): boolean {
  return agent.startedAtMs !== undefined && agent.startedAtMs === linesOfMs && agent.lastLine === lastLine;
}

function alive({ reason: _, ...agent }: AgentReport): AgentReport {
  return { ...agent, state: "running" };
}

function isUnavailable(thrown: unknown): boolean {
  return thrown instanceof DriverError && thrown.code === "UNAVAILABLE";
}

function unanswered(vmId: string, needs: readonly string[], waitMs: number, trouble: string): DriverError {
  const what = needs.join(", ");
  const within = `${Math.round(waitMs / 1_000)} s`;
  const message = `${what} of "${vmId}" needs a cell, and no guest agent ran one within ${within} (${trouble}): ${REMEDY}`;
  return new DriverError("UNSUPPORTED", message, { details: { vmId, needs } });
}
