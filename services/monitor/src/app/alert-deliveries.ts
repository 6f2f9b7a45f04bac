/**
 * Tells everybody what was raised and cleared: a message on NATS at once, then each webhook, with bounded retries.
 *
 * What is owed stands in the rule's state, so that a crash anywhere costs a repetition under the same id and never a silence. Tries are
 * counted in memory: whoever takes over counts anew. What a webhook did not take in the end is a dead letter in the log.
 */
import {
  type AlertNotification,
  type AlertState,
  alertSubject,
  type Delivered,
  type OwedNotification,
} from "@bioxen/contracts";
import {
  type Aggregates,
  type Backoff,
  backoffDelayMs,
  type Causation,
  type CauseEvent,
  invariant,
  messageOf,
  Reconciler,
  type ServicePorts,
  type StepResult,
} from "@bioxen/kernel";
import { decideNotified, type Undelivered } from "../domain/alert.ts";

/** What became of one try. */
export type Posted = Delivered;

/** Where notifications are posted. `post` has its own deadline and never throws. */
export interface Webhooks {
  readonly names: readonly string[];
  post(webhook: string, notification: AlertNotification): Promise<Posted>;
}

/** Caused by an event of the rule. Hours after the command that set the rule it is no part of its trace. */
export function inChainOf({ id, correlationid }: CauseEvent): Causation {
  return { causeId: id, correlationId: correlationid, deduplicate: false };
}

export const NO_WEBHOOKS: Webhooks = {
  names: [],
  post: () => Promise.resolve({ kind: "failed", reason: "there is no webhook", permanent: true }),
};

/** Tries of one notification at one webhook: with the waits between them about half a minute. */
export const MAX_ATTEMPTS = 6;
/** Wait after the first failed try, ms; doubles with each. */
export const FIRST_WAIT_MS = 1_000;
/** The ceiling is the wait after the last try: `MAX_ATTEMPTS` is the limit that acts. */
const RETRY_BACKOFF: Backoff = {
  firstMs: FIRST_WAIT_MS,
  ceilingMs: FIRST_WAIT_MS * 2 ** (MAX_ATTEMPTS - 1),
};
/**
 * Notifications one rule may owe; beyond it the oldest become dead letters untried. A webhook that is away for an hour while
 * alerts flap would else fill the state of the rule without end.
 */
const MAX_OWED = 500;
/** Notifications told of in one event. */
const MAX_BATCH = 100;

interface Tries {
  attempts: number;
  dueAtMs: number;
  /** How it ended; undefined: it has not. */
  end: { readonly undelivered: Undelivered | null } | undefined;
}

export class AlertDeliveries {
  readonly #ports: ServicePorts;
  readonly #webhooks: Webhooks;
  readonly #states: Aggregates<AlertState>;
  readonly #acts: () => boolean;
  readonly #reconciler: Reconciler;
  /** By rule: what was published in this life and is still owed to somebody. */
  readonly #published = new Map<string, Set<string>>();
  /** By rule, then by notification and webhook. */
  readonly #tries = new Map<string, Map<string, Tries>>();

  constructor(ports: ServicePorts, webhooks: Webhooks, states: Aggregates<AlertState>, acts: () => boolean) {
    this.#ports = ports;
    this.#webhooks = webhooks;
    this.#states = states;
    this.#acts = acts;
    this.#reconciler = new Reconciler({
      clock: ports.clock,
      timers: ports.timers,
      step: (ruleId) => this.#deliver(ruleId),
      onError: (ruleId, thrown) =>
        ports.logger.warn({ ruleId, err: thrown }, `a delivery failed: ${messageOf(thrown)}`),
    });
  }

  /** The rule may owe something. */
  wake(ruleId: string): void {
    if (this.#acts() && this.#states.get(ruleId).state.owed.length > 0) this.#reconciler.wake(ruleId);
  }

  end(): Promise<void> {
    return this.#reconciler.stop();
  }

  async #deliver(ruleId: string): Promise<StepResult> {
    if (!this.#acts()) return this.#forget(ruleId);
    const { owed } = this.#states.get(ruleId).state;
    for (const one of owed) this.#publish(ruleId, one);
    await Promise.all(this.#webhooks.names.map((webhook) => this.#tryOldest(ruleId, webhook, owed)));
    const results = this.#finished(ruleId, owed);
    if (results.size > 0) await this.#record(ruleId, results);
    const left = this.#states.get(ruleId).state.owed;
    if (left.length === 0) return this.#forget(ruleId);
    return { dueAtMs: this.#nextTryAtMs(ruleId, left) };
  }

  #forget(ruleId: string): undefined {
    this.#published.delete(ruleId);
    this.#tries.delete(ruleId);
  }

  #publish(ruleId: string, { webhook, ...told }: OwedNotification): void {
    const published = this.#published.get(ruleId) ?? new Set();
    this.#published.set(ruleId, published);
    // A dead letter tried again is one webhook's affair.
    if (webhook !== null || published.has(told.notificationId)) return;
    published.add(told.notificationId);
    this.#ports.bus.publish(alertSubject(told.severity, ruleId), { ...told, ruleId });
  }

  /** One try for the oldest notification that this webhook is still owed: they arrive in order. */
  async #tryOldest(ruleId: string, webhook: string, owed: readonly OwedNotification[]): Promise<void> {
    const untried = owed.length > MAX_OWED ? new Set(owed.slice(0, owed.length - MAX_OWED)) : undefined;
    for (const one of owed) {
      if (one.webhook !== null && one.webhook !== webhook) continue;
      const tries = this.#triesOf(ruleId, one.notificationId, webhook);
      if (tries.end !== undefined) continue;
      if (untried?.has(one) === true) {
        tries.end = { undelivered: { webhook, attempts: tries.attempts, reason: "too many are owed" } };
        continue;
      }
      if (tries.dueAtMs > this.#ports.clock.nowMs()) return;
      const { webhook: _, ...told } = one;
      const posted = await this.#webhooks.post(webhook, { ...told, ruleId });
      this.#note(tries, webhook, posted);
      return;
    }
  }

  #note(tries: Tries, webhook: string, posted: Posted): void {
    tries.attempts += 1;
    if (posted.kind === "taken") {
      tries.end = { undelivered: null };
      return;
    }
    const { attempts } = tries;
    const { reason, permanent } = posted;
    if (permanent || attempts >= MAX_ATTEMPTS) tries.end = { undelivered: { webhook, attempts, reason } };
    tries.dueAtMs = this.#ports.clock.nowMs() + backoffDelayMs(RETRY_BACKOFF, attempts);
  }

  #triesOf(ruleId: string, notificationId: string, webhook: string): Tries {
    const ofRule = this.#tries.get(ruleId) ?? new Map<string, Tries>();
    this.#tries.set(ruleId, ofRule);
    const key = `${notificationId} ${webhook}`;
    const known = ofRule.get(key);
    if (known !== undefined) return known;
    const fresh: Tries = { attempts: 0, dueAtMs: 0, end: undefined };
    ofRule.set(key, fresh);
    return fresh;
  }

  /** Notifications that every webhook took or gave up on, and who did not take them. */
  #finished(ruleId: string, owed: readonly OwedNotification[]): Map<string, Undelivered[]> {
    const results = new Map<string, Undelivered[]>();
    const open = new Set<string>();
    for (const { notificationId, webhook } of owed) {
      const undelivered = results.get(notificationId) ?? [];
      results.set(notificationId, undelivered);
      if (webhook !== null && !this.#webhooks.names.includes(webhook)) {
        undelivered.push({ webhook, attempts: 0, reason: "there is no webhook of this name" });
        continue;
      }
      for (const name of webhook === null ? this.#webhooks.names : [webhook]) {
        const { end } = this.#triesOf(ruleId, notificationId, name);
        if (end === undefined) open.add(notificationId);
        else if (end.undelivered !== null) undelivered.push(end.undelivered);
      }
    }
    return new Map([...results].filter(([id]) => !open.has(id)).slice(0, MAX_BATCH));
  }

  async #record(ruleId: string, results: ReadonlyMap<string, readonly Undelivered[]>): Promise<void> {
    const { last } = this.#states.get(ruleId);
    invariant(last !== undefined, "a rule that owes something has an event", { ruleId });
    const decide = (state: AlertState) => decideNotified(state, results);
    await this.#states.react(ruleId, inChainOf(last), decide, this.#acts);
    const tries = this.#tries.get(ruleId);
    for (const id of results.keys()) {
      this.#published.get(ruleId)?.delete(id);
      for (const key of tries?.keys() ?? []) if (key.startsWith(`${id} `)) tries?.delete(key);
    }
    const failed = [...results.values()].flat();
    if (failed.length > 0) this.#ports.logger.warn({ ruleId, failed }, "notifications are dead letters");
  }

  /** At once while there is something to try now. */
  #nextTryAtMs(ruleId: string, owed: readonly OwedNotification[]): number {
    let next = Number.POSITIVE_INFINITY;
    for (const webhook of this.#webhooks.names) {
      for (const one of owed) {
        if (one.webhook !== null && one.webhook !== webhook) continue;
        const tries = this.#triesOf(ruleId, one.notificationId, webhook);
        if (tries.end !== undefined) continue;
        next = Math.min(next, tries.dueAtMs);
        break;
      }
    }
    return Number.isFinite(next) ? next : this.#ports.clock.nowMs();
  }
}
