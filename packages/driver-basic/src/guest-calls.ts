/**
 * Calls into the Lua of a guest that change its cell: programs, hooks and execs. What a guest requested is applied once
 * the call has succeeded. What acts from outside is noted, in case the guest must go back (`guest-rewinds.ts`).
 */
import {
  DriverError,
  driverErrorCode,
  type ExecOptions,
  type ExecOutcome,
  type ProgramPlace,
} from "@bioxen/vm-driver";
import type { CellGuest } from "./cell-guest.ts";
import { applyWanted, cellView } from "./cell-view.ts";
import type { Act, ExecAct } from "./guest-journal.ts";
import {
  AGAIN_TIMEOUT_MS,
  DEFAULT_EXEC_TIMEOUT_MS,
  MAX_EXEC_INSTRUCTIONS,
  MAX_EXEC_TIMEOUT_MS,
  MAX_QUEUED_EXECS,
} from "./limits.ts";
import type { CallLimits } from "./lua-call.ts";
import type { Work } from "./lua-guest.ts";
import type { LuaHost } from "./lua-host.ts";
import type { CallReport } from "./lua-protocol.ts";
import { checkSource } from "./source-limit.ts";

export interface GuestCallsOptions {
  readonly lua: LuaHost;
  /** Called when an exec has lost the Lua state of a guest that follows it. */
  readonly onStateLost: (guest: CellGuest) => void;
}

export class GuestCalls {
  readonly #options: GuestCallsOptions;

  constructor(options: GuestCallsOptions) {
    this.#options = options;
  }

  /** Runs work in the guest's Lua, then applies the changes of the cell's environment that the guest requested. */
  async call(guest: CellGuest, work: Work, limits: CallLimits): Promise<CallReport> {
    const call = this.#options.lua.call(guest.key, { work, view: cellView(guest), limits });
    const report = await guest.calls.track(call);
    if (guest.state === "ended")
      throw new DriverError("INVALID_STATE", "the guest was stopped during the call");
    guest.hooks = report.hooks ?? guest.hooks;
    // A guest that starts from a checkpoint runs its program a second time. The checkpoint already contains the
    // program's effects on the cell and its instruction count.
    const isAgain = guest.state === "starting" && guest.spec.checkpoint !== undefined;
    if (isAgain) return report;
    guest.luaInstructions += report.instructions;
    if (report.outcome.ok && report.outcome.environment !== undefined) {
      applyWanted(guest, report.outcome.environment);
    }
    return report;
  }

  /** Runs the program of a guest that starts. */
  async program(guest: CellGuest, source: string): Promise<void> {
    const limits = { instructions: MAX_EXEC_INSTRUCTIONS, timeoutMs: DEFAULT_EXEC_TIMEOUT_MS };
    const report = await this.call(guest, { kind: "chunk", source, name: "program" }, limits);
    outcomeOf(report, guest.cell.simMinutes);
    guest.followsLua = guest.hooks.length > 0;
  }

  async exec(guest: CellGuest, source: string, timeoutMs: number): Promise<ExecOutcome> {
    const report = await this.#chunk(guest, source, { instructions: MAX_EXEC_INSTRUCTIONS, timeoutMs });
    const again = this.#ran(guest, source, report);
    return outcomeOf(report, guest.cell.simMinutes, again);
  }

  /** Notes what a program did. Returns where it has to run again; undefined if its effects are undone. */
  #ran(guest: CellGuest, source: string, report: CallReport): ProgramPlace | undefined {
    if (report.stateLost && guest.followsLua) {
      // The failed exec had no effect on the cell, so the course is the one without it.
      this.#options.onStateLost(guest);
      return undefined;
    }
    const isByTime = !report.outcome.ok && report.outcome.byTime === true;
    const endsAfter = isByTime ? report.instructions : undefined;
    note(guest, { kind: "exec", source, endsAfter });
    const place = guest.changes.ran(guest.cell.simMinutes);
    return endsAfter === undefined ? place : { ...place, instructions: endsAfter };
  }

  /** Runs the source in the Lua of a copy. */
  async execOn(copy: CellGuest, source: string, timeoutMs: number): Promise<ExecOutcome> {
    const limits = { instructions: MAX_EXEC_INSTRUCTIONS, timeoutMs };
    return outcomeOf(await this.#chunk(copy, source, limits), copy.cell.simMinutes);
  }

  #chunk(guest: CellGuest, source: string, limits: CallLimits): Promise<CallReport> {
    return this.call(guest, { kind: "chunk", source, name: "exec" }, limits);
  }

  /** Lets the act change the guest at its present minute. Throws `BAD_REQUEST`; the guest is then unchanged. */
  apply(guest: CellGuest, act: Exclude<Act, { kind: "exec" }>): void {
    guest.apply(act);
    note(guest, act);
  }

  /** Lets an act that was accepted before change the guest. If the guest cannot take it now, nothing changes. */
  applyAgain(guest: CellGuest, act: Exclude<Act, { kind: "exec" }>): void {
    try {
      this.apply(guest, act);
    } catch (error) {
      if (driverErrorCode(error) === undefined) throw error;
    }
  }

  /**
   * Runs a program again that an earlier guest of the VM ran, or that ran before the guest went back. It may fail as it did
   * before. If its course cannot be the same, the guest fails.
   */
  async execAgain(guest: CellGuest, act: ExecAct): Promise<void> {
    const { source, endsAfter, place } = act;
    const instructions = endsAfter === undefined ? MAX_EXEC_INSTRUCTIONS : Math.max(0, endsAfter - 1);
    try {
      const report = await this.#chunk(guest, source, { instructions, timeoutMs: AGAIN_TIMEOUT_MS });
      const isByTime = !report.outcome.ok && report.outcome.byTime === true;
      if (isByTime)
        guest.fail(`a program of minute ${guest.cell.simMinutes} did not end within its time again`);
      const sameEnd = endsAfter === undefined ? {} : { endsAfter };
      if (!(report.stateLost && guest.followsLua)) note(guest, { kind: "exec", source, ...sameEnd });
      else this.#options.onStateLost(guest);
      guest.changes.ran(guest.cell.simMinutes, place?.nth);
    } catch (error) {
      // It did not run: the guest has ended, or it goes back once more, or the worker was lost before the program began.
      if (driverErrorCode(error) === undefined) throw error;
      guest.replay = [{ minute: guest.cell.simMinutes, act }, ...guest.replay];
    }
  }
}

/**
 * Checks the request of an exec. Throws `UNSUPPORTED`, `BAD_REQUEST`, `TOO_LARGE`, or `UNAVAILABLE` if too many calls of the
 * guest wait.
 */
export function checkExec(
  { spec: { vmId }, holds }: CellGuest,
  source: string,
  { timeoutMs, shell = false }: ExecOptions,
): void {
  if (shell) throw new DriverError("UNSUPPORTED", `"${vmId}" is a cell without a machine: it has no shell`);
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_EXEC_TIMEOUT_MS) {
    const range = `an integer from 1 to ${MAX_EXEC_TIMEOUT_MS}`;
    throw new DriverError("BAD_REQUEST", `timeoutMs: ${timeoutMs} is not ${range}`);
  }
  checkSource(source);
  if (holds >= MAX_QUEUED_EXECS) {
    throw new DriverError("UNAVAILABLE", `${holds} calls of this guest wait already`);
  }
}

/** Notes what has acted on a guest that may have to go back. */
function note(guest: CellGuest, act: Act): void {
  if (guest.followsLua) guest.journal.add({ minute: guest.cell.simMinutes, act });
}

/**
 * Converts the report of a call to the driver port's outcome of an exec. Throws a `DriverError` if the guest's code
 * failed.
 */
function outcomeOf(
  { outcome, instructions, stdout, stateLost }: CallReport,
  simMinute: number,
  place?: ProgramPlace,
): ExecOutcome & { readonly simMinute: number } {
  const again = place === undefined ? {} : { again: place };
  if (outcome.ok) return { result: outcome.result, stdout, instructions, simMinute, ...again };
  const details = { instructions, stdout, stateLost, simMinute, ...again };
  throw new DriverError(outcome.code, outcome.message, {
    details: outcome.traceback === undefined ? details : { ...details, traceback: outcome.traceback },
  });
}
