/**
 * Answers an `exec` that lifecycle forwards, and runs the program of each command once.
 *
 * The log does not show the effects of a program. Lifecycle forwards a command again when it considers the first
 * attempt lost. If the program is still running, the repeat waits for it. If the program has succeeded, or its outcome
 * is unknown, the repeat gets the first outcome. If the program has failed, the repeat runs it again.
 */
import {
  type AgentExecRequest,
  type AgentProgramAgain,
  type ErrorCode,
  type Handled,
  refuse,
} from "@bioxen/contracts";
import type { Clock } from "@bioxen/kernel";
import {
  capabilitiesOfGuest,
  DriverError,
  type DriverErrorCode,
  type ExecOutcome,
  type ProgramPlace,
  type VmDriver,
} from "@bioxen/vm-driver";

/** Errors of a guest that temporarily differs from the log, so that a retry can succeed. */
const TEMPORARY: readonly DriverErrorCode[] = [
  "STALE_FENCE",
  "GUEST_NOT_FOUND",
  "INVALID_STATE",
  "UNAVAILABLE",
];

/** Time for which an outcome is remembered, ms: for 2 min the contract promises the first outcome to every repeat. */
const KEPT_MS = 120_000;
/**
 * Maximum number of remembered outcomes, each at most about 400 KB. If a command is repeated only after this many other
 * commands, the repeat runs the program again.
 */
const MAX_KEPT = 64;

/** What a program did; `simMinute` is null where its minute is unknown. */
export type AgentExecOutcome = Omit<ExecOutcome, "simMinute" | "again"> & {
  readonly simMinute: number | null;
  readonly again?: AgentProgramAgain | undefined;
};

/** What is noted of a program before the answer to lifecycle. */
export interface ExecNotes {
  /** Returns how often the VM had been restored when its guest started; undefined if the guest has ended meanwhile. */
  readonly ran: (simMinute: number, nth: number) => number | undefined;
}

/** Runs a program in the VM's guest. `driver` is that of the VM's type; undefined when this agent has none. */
export async function execInGuest(
  driver: VmDriver | undefined,
  request: AgentExecRequest,
  notes: ExecNotes,
): Promise<Handled<AgentExecOutcome>> {
  const { vmId, fence, source, timeoutMs, shell, readOnly } = request;
  if (driver?.capabilities.exec !== true) {
    const why = driver?.capabilities.noExec ?? `VMs of the type of ${vmId} cannot run programs`;
    return refuse("UNSUPPORTED", why);
  }
  if (shell === true && capabilitiesOfGuest(driver, vmId)?.shell === false) {
    return refuse("UNSUPPORTED", `${vmId} has no shell: run a program in its own language`);
  }
  try {
    const outcome = await driver.exec(vmId, fence, source, { timeoutMs, shell, readOnly });
    const { simMinute, again: place, ...rest } = outcome;
    const again = noted(simMinute, place, notes);
    return { ok: true, result: { ...rest, simMinute: simMinute ?? null, ...again } };
  } catch (thrown) {
    return ranOrNot(refusalOf(thrown), notes);
  }
}

function noted(
  simMinute: number | undefined,
  place: ProgramPlace | undefined,
  notes: ExecNotes,
): { readonly again?: AgentProgramAgain } {
  if (simMinute === undefined || place === undefined) return {};
  const restores = notes.ran(simMinute, place.nth);
  return restores === undefined ? {} : { again: { ...place, restores } };
}

/** Says in the details of a refusal that the program ran: `simMinute` is there, null where the minute is unknown. */
function ranOrNot(
  { rejection }: ReturnType<typeof refusalOf>,
  notes: ExecNotes,
): ReturnType<typeof refusalOf> {
  const { code, details = {} } = rejection;
  const { simMinute, again: place, ...rest } = details;
  const hasRun = code.startsWith("GUEST_") || details["ran"] === "unknown";
  if (!hasRun && simMinute === undefined) return { ok: false, rejection };
  const minute = simMinute as number | undefined;
  // A program that does not compile changes nothing, and has no event.
  const isRecorded = details["instructions"] !== 0;
  const again = isRecorded ? noted(minute, place as ProgramPlace | undefined, notes) : {};
  return {
    ok: false,
    rejection: { ...rejection, details: { ...rest, simMinute: minute ?? null, ...again } },
  };
}

/** Translates a driver's error into a rejection of the contract. Rethrows anything else. */
export function refusalOf(thrown: unknown): ReturnType<typeof refuse> {
  if (!(thrown instanceof DriverError)) throw thrown;
  const { code, message, details } = thrown;
  if (TEMPORARY.includes(code)) {
    // UNAVAILABLE is not retryable when the program may have run.
    const retryable = code === "UNAVAILABLE" ? thrown.retryable : true;
    return refuse("UNAVAILABLE", message, { retryable, details });
  }
  return refuse(code as ErrorCode, message, { retryable: thrown.retryable, details });
}

interface RememberedExec {
  readonly outcome: Promise<Handled<AgentExecOutcome>>;
  /** Instant at which the program ended, ms of the wall clock; undefined while it runs. */
  endedAtMs: number | undefined;
}

/** Runs each command once. A repeat is recognised by its `causeId`, which equals that of the first attempt. */
export class ExecsOnce {
  readonly #clock: Clock;
  /** By `causeId`, the running programs and the ended programs with a remembered outcome, in order of their start. */
  readonly #execs = new Map<string, RememberedExec>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Returns the outcome of the running or remembered command with this `causeId`. Without such a command, calls `run`
   * and returns the outcome of that call.
   */
  once(causeId: string, run: () => Promise<Handled<AgentExecOutcome>>): Promise<Handled<AgentExecOutcome>> {
    this.#forget();
    const known = this.#execs.get(causeId);
    if (known !== undefined) return known.outcome;
    const exec: RememberedExec = { outcome: run(), endedAtMs: undefined };
    this.#execs.set(causeId, exec);
    const end = (isRemembered: boolean): void => {
      exec.endedAtMs = this.#clock.nowMs();
      if (!isRemembered) this.#execs.delete(causeId);
    };
    exec.outcome.then(
      (outcome) => end(outcome.ok || isInDoubt(outcome)),
      () => end(false),
    );
    return exec.outcome;
  }

  #forget(): void {
    const nowMs = this.#clock.nowMs();
    let tooMany = this.#execs.size - MAX_KEPT;
    for (const [causeId, { endedAtMs }] of this.#execs) {
      if (endedAtMs === undefined) continue;
      if (tooMany <= 0 && nowMs - endedAtMs < KEPT_MS) continue;
      this.#execs.delete(causeId);
      tooMany -= 1;
    }
  }
}

/** True when the program may have run: the outcome is UNAVAILABLE and not retryable. */
function isInDoubt(outcome: Handled<AgentExecOutcome>): boolean {
  return !outcome.ok && outcome.rejection.code === "UNAVAILABLE" && !outcome.rejection.retryable;
}
