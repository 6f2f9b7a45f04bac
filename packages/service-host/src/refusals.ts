/**
 * The audit of refusals: how often each principal was refused what it may not do, or sent too much. Each refusal is
 * counted; the first of a principal is logged at once, and then at most one line a minute for each principal and code.
 */
import type { Measurement } from "@bioxen/contracts";
import type { Logger } from "@bioxen/kernel";
import { AUDITED_CODES, type AuditedRefusal } from "@bioxen/nats";

/** Shortest time between two log lines about one principal and code, ms. */
const LOG_INTERVAL_MS = 60_000;
/** Maximum number of principals with counts of their own; the refusals of all others are counted together. */
const MAX_PRINCIPALS = 100;
/** Stands for all principals beyond {@link MAX_PRINCIPALS}. It is the name of no principal. */
const OTHERS = "(others)";

interface Count {
  total: number;
  /** Refusals since the last log line. */
  unlogged: number;
  loggedAtMs: number;
}

type Counts = Record<AuditedRefusal["code"], Count>;

export class Refusals {
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  readonly #principals = new Map<string, Counts>();

  constructor(logger: Logger, nowMs: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#nowMs = nowMs;
  }

  note({ principal, code, subject }: AuditedRefusal): void {
    const name = this.#principals.has(principal) || this.#hasRoom() ? principal : OTHERS;
    const count = this.#countsOf(name)[code];
    count.total += 1;
    count.unlogged += 1;
    if (this.#nowMs() - count.loggedAtMs < LOG_INTERVAL_MS) return;
    this.#logger.warn(
      { principal, code, subject, refusals: count.unlogged },
      `refused ${count.unlogged} requests of ${name} with ${code}`,
    );
    count.loggedAtMs = this.#nowMs();
    count.unlogged = 0;
  }

  measure(): readonly Measurement[] {
    const values = [...this.#principals].flatMap(([principal, counts]) =>
      AUDITED_CODES.map((code) => ({ value: counts[code].total, labels: { principal, code } })),
    );
    return [{ metric: "bioxen_principal_refusals_total", values }];
  }

  #hasRoom(): boolean {
    return this.#principals.size < MAX_PRINCIPALS;
  }

  #countsOf(name: string): Counts {
    const known = this.#principals.get(name);
    if (known !== undefined) return known;
    const none = (): Count => ({ total: 0, unlogged: 0, loggedAtMs: Number.NEGATIVE_INFINITY });
    const fresh: Counts = { FORBIDDEN: none(), RATE_LIMITED: none() };
    this.#principals.set(name, fresh);
    return fresh;
  }
}
