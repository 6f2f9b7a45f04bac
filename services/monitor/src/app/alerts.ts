/**
 * Raises and clears alerts: what the evaluator says should be, against what the log says is.
 *
 * Every instance evaluates, so that a hold time survives the death of the one that acts; the holder of the lease appends.
 * Level-triggered: a rule is looked at target by target until its alerts are as they should be. Whatever two instances think,
 * the append is conditional on the rule's own stream: an alert is raised once.
 */
import { type AlertState, aggregateOf, alertFold, DEFAULT_ALERT_RULES } from "@bioxen/contracts";
import {
  Aggregates,
  type Causation,
  type EventFeed,
  invariant,
  type Lease,
  messageOf,
  Reconciler,
  type ServicePorts,
  type StepResult,
} from "@bioxen/kernel";
import { type AlertDecision, decideClear, decideRaise, effectiveRule, isFull } from "../domain/alert.ts";
import { AlertEvaluator } from "../domain/alert-evaluator.ts";
import { AlertDeliveries, inChainOf, type Webhooks } from "./alert-deliveries.ts";

/** Alerts one look may raise or clear before other rules get their turn. */
const MAX_STEPS_PER_LOOK = 64;

export class Alerts {
  readonly states: Aggregates<AlertState>;
  readonly evaluator: AlertEvaluator;
  readonly #ports: ServicePorts;
  readonly #deliveries: AlertDeliveries;
  readonly #reconciler: Reconciler;
  /** By rule: targets whose alert may not be as it should be. Of the holder only; a new one looks at all. */
  readonly #open = new Map<string, Set<string>>();
  #lease: Lease | undefined;

  constructor(ports: ServicePorts, webhooks: Webhooks) {
    const { log, clock, ids, timers, logger } = ports;
    this.#ports = ports;
    this.states = new Aggregates({
      kind: "alert",
      fold: alertFold,
      log,
      clock,
      ids,
      source: "/bioxen/monitor",
    });
    this.evaluator = new AlertEvaluator((ruleId, target) => this.#touched(ruleId, target));
    this.#deliveries = new AlertDeliveries(ports, webhooks, this.states, () => this.#acts());
    this.#reconciler = new Reconciler({
      clock,
      timers,
      step: (ruleId) => this.#look(ruleId),
      onError: (ruleId, thrown) =>
        logger.warn({ ruleId, err: thrown }, `a step failed: ${messageOf(thrown)}`),
    });
  }

  begin(feed: EventFeed): void {
    for (const ruleId of this.ruleIds()) this.#follow(ruleId);
    feed.onEvent(({ envelope }) => {
      const { kind, id: ruleId } = aggregateOf(envelope.subject);
      if (kind !== "alert") return;
      this.#follow(ruleId);
      this.#deliveries.wake(ruleId);
    });
    this.#lease = this.#ports.leases.contend("monitor", {
      onHeld: () => this.#lookAtAll(),
      onLost: () => this.#open.clear(),
    });
  }

  async end(): Promise<void> {
    await this.#reconciler.stop();
    await this.#deliveries.end();
    await this.#lease?.release();
  }

  /** Of every rule that was ever set, and of the defaults. */
  ruleIds(): string[] {
    return [...new Set([...Object.keys(DEFAULT_ALERT_RULES), ...this.states.ids()])].sort();
  }

  activeBySeverity(): Record<string, number> {
    const out: Record<string, number> = { info: 0, warning: 0, critical: 0 };
    for (const [, { state }] of this.states.entries()) {
      for (const { severity } of Object.values(state.active)) out[severity] = (out[severity] ?? 0) + 1;
    }
    return out;
  }

  /** Whether this instance raises, clears and tells: the holder of the lease does. */
  #acts(): boolean {
    return this.#lease?.token() !== undefined;
  }

  #follow(ruleId: string): void {
    const { state } = this.states.get(ruleId);
    this.evaluator.setRule(ruleId, effectiveRule(ruleId, state), this.#ports.clock.nowMs());
    for (const target of Object.keys(state.active)) this.#touched(ruleId, target);
  }

  #lookAtAll(): void {
    for (const ruleId of this.ruleIds()) {
      for (const target of this.evaluator.breaching(ruleId)) this.#touched(ruleId, target);
      for (const target of Object.keys(this.states.get(ruleId).state.active)) this.#touched(ruleId, target);
      this.#deliveries.wake(ruleId);
    }
  }

  #touched(ruleId: string, target: string): void {
    if (!this.#acts() || this.#isSettled(ruleId, target)) return;
    const open = this.#open.get(ruleId) ?? new Set();
    open.add(target);
    this.#open.set(ruleId, open);
    this.#reconciler.wake(ruleId);
  }

  /** The alert is as it should be, or nobody knows. */
  #isSettled(ruleId: string, target: string): boolean {
    const { zone } = this.evaluator.verdict(ruleId, target);
    const isRaised = this.states.get(ruleId).state.active[target] !== undefined;
    return isRaised ? zone === "breach" || zone === "band" || zone === "unknown" : zone !== "breach";
  }

  async #look(ruleId: string): Promise<StepResult> {
    const open = this.#open.get(ruleId);
    let dueAtMs = Number.POSITIVE_INFINITY;
    let steps = 0;
    for (const target of open ?? []) {
      if (!this.#acts()) return undefined;
      if (steps >= MAX_STEPS_PER_LOOK) return { dueAtMs: this.#ports.clock.nowMs() };
      const targetDueAtMs = this.#dueAtMs(ruleId, target);
      if (targetDueAtMs > this.#ports.clock.nowMs()) {
        if (targetDueAtMs === Number.POSITIVE_INFINITY) open?.delete(target);
        dueAtMs = Math.min(dueAtMs, targetDueAtMs);
        continue;
      }
      steps += 1;
      await this.#settle(ruleId, target);
      open?.delete(target);
    }
    return Number.isFinite(dueAtMs) ? { dueAtMs } : undefined;
  }

  /** When something is to be done about this target; infinite: nothing, as far as is known. */
  #dueAtMs(ruleId: string, target: string): number {
    if (this.#isSettled(ruleId, target)) return Number.POSITIVE_INFINITY;
    const verdict = this.evaluator.verdict(ruleId, target);
    const rule = effectiveRule(ruleId, this.states.get(ruleId).state);
    return verdict.zone === "breach" && rule !== null ? verdict.sinceMs + rule.forMs : 0;
  }

  async #settle(ruleId: string, target: string): Promise<void> {
    const wasFull = isFull(this.states.get(ruleId).state);
    // A default rule is set before the first alert under it: two decisions at most.
    for (let i = 0; i < 2; i += 1) {
      const decide = (state: AlertState) => this.#decide(ruleId, target, state);
      const causation = this.#causation(ruleId);
      const executed = await this.states.react(ruleId, causation, decide, () => this.#acts());
      invariant(executed.ok, "a process decides nothing that is refused", { ruleId });
      if (!executed.changed) break;
    }
    // Others waited for room.
    if (wasFull && !isFull(this.states.get(ruleId).state)) {
      for (const other of this.evaluator.breaching(ruleId)) this.#touched(ruleId, other);
    }
  }

  #decide(ruleId: string, target: string, state: AlertState): AlertDecision {
    const verdict = this.evaluator.verdict(ruleId, target);
    switch (verdict.zone) {
      case "breach":
        return decideRaise(ruleId, state, { target, value: verdict.value, sinceMs: verdict.sinceMs });
      case "clear":
        return decideClear(state, target, verdict.value, "RECOVERED");
      case "gone":
        return decideClear(state, target, null, "TARGET_GONE");
      default:
        return { ok: true, event: null };
    }
  }

  /** In the rule's own chain, and in nobody's trace; what no event led to, a default rule, begins one. */
  #causation(ruleId: string): Causation {
    const { last } = this.states.get(ruleId);
    if (last !== undefined) return inChainOf(last);
    return { causeId: "default-rules", correlationId: this.#ports.ids.next(), deduplicate: false };
  }
}
