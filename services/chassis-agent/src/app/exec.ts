/**
 * Answers an `exec` that lifecycle forwarded, in the contract's words, and carries out each command once.
 *
 * What a program did cannot be found in the log. A command is forwarded again when lifecycle, or whoever asked it, took the first
 * attempt for dead: a program that is running then is waited for, and one that has ended well, or is not known to have, answers
 * what it answered. A failure is not kept: whoever asks again after one, means it.
 */
import { type AgentExecRequest, type ErrorCode, type Handled, refuse } from "@bioxen/contracts";
import type { Clock } from "@bioxen/kernel";
import { DriverError, type DriverErrorCode, type ExecOutcome, type VmDriver } from "@bioxen/vm-driver";

/** A guest that is not (yet, any more) what the log said a moment ago: asking again can help. */
const PASSING: readonly DriverErrorCode[] = [
  "STALE_FENCE",
  "GUEST_NOT_FOUND",
  "INVALID_STATE",
  "UNAVAILABLE",
];

/** How long an outcome is kept, ms: as long as the contract promises the first one to a message id. */
const KEPT_MS = 120_000;
/** Outcomes kept, each at most some 400 KB. Fewer, and a repeat behind that many others runs again. */
const MAX_KEPT = 64;

export async function execInGuest(
  driver: VmDriver | undefined,
  request: AgentExecRequest,
): Promise<Handled<ExecOutcome>> {
  const { vmId, fence, source, timeoutMs } = request;
  if (driver?.capabilities.exec !== true) {
    const why = driver?.capabilities.noExec ?? `guests of the type of ${vmId} run no programs`;
    return refuse("UNSUPPORTED", why);
  }
  try {
    return { ok: true, result: await driver.exec(vmId, fence, source, { timeoutMs }) };
  } catch (thrown) {
    return refusalOf(thrown);
  }
}

/** What a driver's refusal is in the contract's words; throws anything else again. */
export function refusalOf(thrown: unknown): ReturnType<typeof refuse> {
  if (!(thrown instanceof DriverError)) throw thrown;
  const { code, message, details } = thrown;
  if (PASSING.includes(code)) {
    // What may have been carried out is not to be asked for again by itself.
    const retryable = code === "UNAVAILABLE" ? thrown.retryable : true;
    return refuse("UNAVAILABLE", message, { retryable, details });
  }
  return refuse(code as ErrorCode, message, { retryable: thrown.retryable, details });
}

interface Kept {
  readonly outcome: Promise<Handled<ExecOutcome>>;
  /** undefined: it is not over. */
  endedAtMs: number | undefined;
}

/** The outcome of each command, by the id of what caused it. */
export class ExecsOnce {
  readonly #clock: Clock;
  /** In order of their beginning. */
  readonly #kept = new Map<string, Kept>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  once(causeId: string, run: () => Promise<Handled<ExecOutcome>>): Promise<Handled<ExecOutcome>> {
    this.#forget();
    const known = this.#kept.get(causeId);
    if (known !== undefined) return known.outcome;
    const kept: Kept = { outcome: run(), endedAtMs: undefined };
    this.#kept.set(causeId, kept);
    const end = (isKept: boolean): void => {
      kept.endedAtMs = this.#clock.nowMs();
      if (!isKept) this.#kept.delete(causeId);
    };
    kept.outcome.then(
      (outcome) => end(outcome.ok || isInDoubt(outcome)),
      () => end(false),
    );
    return kept.outcome;
  }

  #forget(): void {
    const nowMs = this.#clock.nowMs();
    let tooMany = this.#kept.size - MAX_KEPT;
    for (const [causeId, { endedAtMs }] of this.#kept) {
      if (endedAtMs === undefined) continue;
      if (tooMany <= 0 && nowMs - endedAtMs < KEPT_MS) continue;
      this.#kept.delete(causeId);
      tooMany -= 1;
    }
  }
}

/** It may have been carried out: a driver that knows better says that asking again can help. */
function isInDoubt(outcome: Handled<ExecOutcome>): boolean {
  return !outcome.ok && outcome.rejection.code === "UNAVAILABLE" && !outcome.rejection.retryable;
}
