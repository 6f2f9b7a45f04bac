/**
 * Delivers the notifications of raised and cleared alerts: at once on NATS, then to each webhook with bounded retries.
 *
 * Undelivered notifications are part of the rule's state. A crash at any point therefore repeats a notification under
 * the same id, and never loses one. Attempts are counted in memory only: a new lease holder starts at zero. A
 * notification that a webhook has not taken after its last attempt becomes a dead letter in the log.
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
  causedBy,
  invariant,
  messageOf,
  Reconciler,
  type ServicePorts,
  type StepResult,
} from "@bioxen/kernel";
import { alertDecider, type Undelivered } from "../domain/alert.ts";

/** The webhooks that notifications are posted to. `post` makes one attempt with a deadline, and never throws. */
export interface Webhooks {
  readonly names: readonly string[];
  post(webhook: string, notification: AlertNotification): Promise<Delivered>;
}

/**
 * Returns the causation of everything that follows from an event of a rule. It keeps the event's correlation id but not
 * its trace: an alert may come hours after the command that set the rule.
 */
export function inChainOf(event: CauseEvent): Causation {
  const { traceparent: _, tracestate: __, ...causation } = causedBy(event);
  return causation;
}

export const NO_WEBHOOKS: Webhooks = {
  names: [],
  post: () => Promise.resolve({ kind: "failed", reason: "no webhook is configured", permanent: true }),
};

/**
 * Maximum number of attempts to deliver one notification to one webhook. With the waits between them they take about
 * half a minute.
 */
export const MAX_ATTEMPTS = 6;
/** Wait after the first failed attempt, ms; doubles with each further one. */
export const FIRST_WAIT_MS = 1_000;
/**
 * Waits between attempts. The ceiling is above every wait that occurs: the waits double until `MAX_ATTEMPTS` ends the
 * delivery.
 */
const RETRY_BACKOFF: Backoff = {
  firstMs: FIRST_WAIT_MS,
  ceilingMs: FIRST_WAIT_MS * 2 ** (MAX_ATTEMPTS - 1),
};
/**
 * Maximum number of notifications of one rule that wait for delivery; beyond that the oldest become dead letters
 * without an attempt. Otherwise flapping alerts would grow the rule's state without bound while a webhook is down.
 */
const MAX_WAITING = 500;
/** Maximum number of notifications whose delivery one event records. */
const MAX_BATCH = 100;

/** The delivery of one notification to one webhook. */
interface Delivery {
  attempts: number;
  /** Instant of the next attempt, epoch ms. */
  dueAtMs: number;
  /**
   * How the delivery ended; undefined while the delivery is in progress. `undelivered` is null when the webhook took
   * the notification.
   */
  end: { readonly undelivered: Undelivered | null } | undefined;
}

/**
 * Numbers of deliveries by result. `failed`: attempts that are repeated. `given_up`: deliveries that ended without
 * success and become dead letters.
 */
export interface DeliveryCounts {
  taken: number;
  failed: number;
  given_up: number;
}

export class AlertDeliveries {
  /** The results of this process by webhook, since it started. */
  readonly counts: ReadonlyMap<string, DeliveryCounts>;
  readonly #ports: ServicePorts;
  readonly #webhooks: Webhooks;
  readonly #states: Aggregates<AlertState>;
  readonly #acts: () => boolean;
  readonly #reconciler: Reconciler;
  /** By rule: ids of notifications that this instance has published on NATS and whose delivery is not recorded yet. */
  readonly #published = new Map<string, Set<string>>();
  /** The deliveries in progress, by rule, then by notification id and webhook. */
  readonly #deliveries = new Map<string, Map<string, Delivery>>();

  constructor(ports: ServicePorts, webhooks: Webhooks, states: Aggregates<AlertState>, acts: () => boolean) {
    this.#ports = ports;
    this.#webhooks = webhooks;
    this.counts = new Map(webhooks.names.map((name) => [name, { taken: 0, failed: 0, given_up: 0 }]));
    this.#states = states;
    this.#acts = acts;
    this.#reconciler = new Reconciler({
      clock: ports.clock,
      timers: ports.timers,
      step: (ruleId) => this.#deliver(ruleId),
      onError: (ruleId, thrown) =>
        ports.logger.warn(
          { ruleId, err: thrown },
          `delivering notifications of ${ruleId} failed: ${messageOf(thrown)}`,
        ),
    });
  }

  /** Starts the delivery of the rule's waiting notifications, if any. Call it after each event of the rule. */
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
    await Promise.all(this.#webhooks.names.map((webhook) => this.#attemptOldest(ruleId, webhook, owed)));
    const results = this.#finished(ruleId, owed);
    if (results.size > 0) await this.#record(ruleId, results);
    const left = this.#states.get(ruleId).state.owed;
    if (left.length === 0) return this.#forget(ruleId);
    return { dueAtMs: this.#nextAttemptAtMs(ruleId, left) };
  }

  #forget(ruleId: string): undefined {
    this.#published.delete(ruleId);
    this.#deliveries.delete(ruleId);
  }

  #publish(ruleId: string, { webhook, ...notification }: OwedNotification): void {
    const published = this.#published.get(ruleId) ?? new Set();
    this.#published.set(ruleId, published);
    // A dead letter that is sent again concerns its webhook only: subscribers on NATS have the notification already.
    if (webhook !== null || published.has(notification.notificationId)) return;
    published.add(notification.notificationId);
    this.#ports.bus.publish(alertSubject(notification.severity, ruleId), { ...notification, ruleId });
  }

  /**
   * Makes one attempt for the oldest notification that this webhook has not taken, so that notifications arrive in
   * order.
   */
  async #attemptOldest(ruleId: string, webhook: string, owed: readonly OwedNotification[]): Promise<void> {
    const dropped = owed.length > MAX_WAITING ? new Set(owed.slice(0, owed.length - MAX_WAITING)) : undefined;
    for (const one of owed) {
      if (one.webhook !== null && one.webhook !== webhook) continue;
      const delivery = this.#deliveryOf(ruleId, one.notificationId, webhook);
      if (delivery.end !== undefined) continue;
      if (dropped?.has(one) === true) {
        delivery.end = {
          undelivered: {
            webhook,
            attempts: delivery.attempts,
            reason: `more than ${MAX_WAITING} notifications waited for delivery`,
          },
        };
        this.#count(webhook, "given_up");
        continue;
      }
      if (delivery.dueAtMs > this.#ports.clock.nowMs()) return;
      const { webhook: _, ...notification } = one;
      const delivered = await this.#webhooks.post(webhook, { ...notification, ruleId });
      this.#note(delivery, webhook, delivered);
      return;
    }
  }

  #note(delivery: Delivery, webhook: string, delivered: Delivered): void {
    delivery.attempts += 1;
    if (delivered.kind === "taken") {
      delivery.end = { undelivered: null };
      this.#count(webhook, "taken");
      return;
    }
    const { attempts } = delivery;
    const { reason, permanent } = delivered;
    const isLast = permanent || attempts >= MAX_ATTEMPTS;
    if (isLast) delivery.end = { undelivered: { webhook, attempts, reason } };
    this.#count(webhook, isLast ? "given_up" : "failed");
    delivery.dueAtMs = this.#ports.clock.nowMs() + backoffDelayMs(RETRY_BACKOFF, attempts);
  }

  #count(webhook: string, result: keyof DeliveryCounts): void {
    const counts = this.counts.get(webhook);
    if (counts !== undefined) counts[result] += 1;
  }

  #deliveryOf(ruleId: string, notificationId: string, webhook: string): Delivery {
    const ofRule = this.#deliveries.get(ruleId) ?? new Map<string, Delivery>();
    this.#deliveries.set(ruleId, ofRule);
    const key = `${notificationId} ${webhook}`;
    const known = ofRule.get(key);
    if (known !== undefined) return known;
    const fresh: Delivery = { attempts: 0, dueAtMs: 0, end: undefined };
    ofRule.set(key, fresh);
    return fresh;
  }

  /** Returns the notifications whose deliveries have all ended, each with the webhooks that did not take it. */
  #finished(ruleId: string, owed: readonly OwedNotification[]): Map<string, Undelivered[]> {
    const results = new Map<string, Undelivered[]>();
    const open = new Set<string>();
    for (const { notificationId, webhook } of owed) {
      const undelivered = results.get(notificationId) ?? [];
      results.set(notificationId, undelivered);
      if (webhook !== null && !this.#webhooks.names.includes(webhook)) {
        undelivered.push({ webhook, attempts: 0, reason: `no webhook is named ${webhook}` });
        continue;
      }
      for (const name of webhook === null ? this.#webhooks.names : [webhook]) {
        const { end } = this.#deliveryOf(ruleId, notificationId, name);
        if (end === undefined) open.add(notificationId);
        else if (end.undelivered !== null) undelivered.push(end.undelivered);
      }
    }
    return new Map([...results].filter(([id]) => !open.has(id)).slice(0, MAX_BATCH));
  }

  async #record(ruleId: string, results: ReadonlyMap<string, readonly Undelivered[]>): Promise<void> {
    const { last } = this.#states.get(ruleId);
    invariant(last !== undefined, "a rule with undelivered notifications has an event", { ruleId });
    const command = { type: "record-deliveries", results } as const;
    const decide = (state: AlertState) => alertDecider.decide(state, command);
    await this.#states.react(ruleId, inChainOf(last), decide, this.#acts);
    const deliveries = this.#deliveries.get(ruleId);
    for (const id of results.keys()) {
      this.#published.get(ruleId)?.delete(id);
      for (const key of deliveries?.keys() ?? []) if (key.startsWith(`${id} `)) deliveries?.delete(key);
    }
    const failed = [...results.values()].flat();
    if (failed.length > 0)
      this.#ports.logger.warn(
        { ruleId, failed },
        "notifications were not delivered: they are dead letters now",
      );
  }

  /** Returns the instant of the next attempt, epoch ms. When all deliveries have ended, returns the present instant. */
  #nextAttemptAtMs(ruleId: string, owed: readonly OwedNotification[]): number {
    let next = Number.POSITIVE_INFINITY;
    for (const webhook of this.#webhooks.names) {
      for (const one of owed) {
        if (one.webhook !== null && one.webhook !== webhook) continue;
        const delivery = this.#deliveryOf(ruleId, one.notificationId, webhook);
        if (delivery.end !== undefined) continue;
        next = Math.min(next, delivery.dueAtMs);
        break;
      }
    }
    return Number.isFinite(next) ? next : this.#ports.clock.nowMs();
  }
}
