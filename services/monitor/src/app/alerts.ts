/**
 * Raises and clears alerts: compares the evaluator's verdicts with the log, until both agree.
 *
 * Only the lease holder appends. Every instance evaluates, so that a new lease holder knows how long each breach has
 * lasted. The process is level-triggered: a step looks at the open targets of one rule. The append is conditional on
 * the rule's own log. Two instances that both believe they hold the lease therefore raise an alert once.
 */
import {
  type AlertEvent,
  type AlertState,
  aggregateOf,
  alertFold,
  DEFAULT_ALERT_RULES,
  domainEventOf,
  StatePages,
} from "@bioxen/contracts";
import {
  Aggregates,
  type Causation,
  type Decision,
  type EventFeed,
  invariant,
  LEASE_TTL_MS,
  type Lease,
  messageOf,
  Reconciler,
  type ServicePorts,
  type StepResult,
  UNCHANGED,
} from "@bioxen/kernel";
import { alertDecider, effectiveRule, isFull } from "../domain/alert.ts";
import { AlertEvaluator } from "../domain/alert-evaluator.ts";
import { AlertDeliveries, type DeliveryCounts, inChainOf, type Webhooks } from "./alert-deliveries.ts";

/** Maximum number of alerts of one rule that a step raises or clears before other rules get their turn. */
const MAX_CHANGES_PER_STEP = 64;

export class Alerts {
  readonly states: Aggregates<AlertState>;
  readonly pages: StatePages<AlertState>;
  readonly evaluator: AlertEvaluator;
  readonly #ports: ServicePorts;
  readonly #deliveries: AlertDeliveries;
  readonly #reconciler: Reconciler;
  /** By rule: targets whose alert may differ from the verdict. Empty unless this instance holds the lease. */
  readonly #open = new Map<string, Set<string>>();
  /** Rules at their limit of active alerts, for which a target in breach may wait for room. */
  readonly #full = new Set<string>();
  #lease: Lease | undefined;
  #feed: EventFeed | undefined;

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
    this.pages = new StatePages({
      states: this.states,
      log,
      appliedSeq: () => this.#feed?.appliedSeq ?? 0,
      applied: async (seq) => this.#feed?.applied(seq),
    });
    this.evaluator = new AlertEvaluator((ruleId, target) => this.#noteChange(ruleId, target));
    this.#deliveries = new AlertDeliveries(ports, webhooks, this.states, () => this.acts());
    this.#reconciler = new Reconciler({
      clock,
      timers,
      step: (ruleId) => this.#step(ruleId),
      onError: (ruleId, thrown) =>
        logger.warn(
          { ruleId, err: thrown },
          `raising or clearing alerts of ${ruleId} failed: ${messageOf(thrown)}`,
        ),
    });
  }

  /** Begins to raise and clear alerts. Calls `onHeld` whenever this instance gets the lease of the service. */
  begin(feed: EventFeed, onHeld: () => void = () => undefined): void {
    this.#feed = feed;
    for (const ruleId of this.ruleIds()) this.#follow(ruleId);
    feed.onEvent(({ envelope }) => {
      const { kind, id: ruleId } = aggregateOf(envelope.subject);
      if (kind !== "alert") return;
      const event = domainEventOf(envelope);
      // The removal ended every alert of the rule, so the evaluator first forgets the rule. The fold may already have a
      // later event that sets the same rule again. An evaluator that remembered the rule would then find no change, and
      // raise no alert for a target that is still in breach.
      if (event.type === "bioxen.alert.rule-removed.v1") this.#forgetRule(ruleId);
      this.#follow(ruleId);
      if (event.type === "bioxen.alert.cleared.v1") this.#reviewCleared(ruleId, event.data.target);
      this.#deliveries.wake(ruleId);
    });
    this.#lease = this.#ports.leases.contend("monitor", {
      onHeld: () => {
        this.#reviewAll();
        onHeld();
      },
      onLost: () => this.#open.clear(),
    });
  }

  async end(): Promise<void> {
    await this.#reconciler.stop();
    await this.#deliveries.end();
    await this.#lease?.release();
  }

  /** The results of deliveries by webhook, since this process started. */
  get deliveryCounts(): ReadonlyMap<string, DeliveryCounts> {
    return this.#deliveries.counts;
  }

  /** Returns the ids of all rules that were ever set, and of the default rules, sorted. */
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

  /** Returns true while this instance holds the lease of the service, and so raises, clears and notifies. */
  acts(): boolean {
    return this.#lease?.token() !== undefined;
  }

  #forgetRule(ruleId: string): void {
    this.evaluator.setRule(ruleId, null, this.#ports.clock.nowMs());
  }

  #follow(ruleId: string): void {
    const { state } = this.states.get(ruleId);
    this.evaluator.setRule(ruleId, effectiveRule(ruleId, state), this.#ports.clock.nowMs());
    for (const target of Object.keys(state.active)) this.#noteChange(ruleId, target);
  }

  /**
   * Reviews the targets that may now be in breach without an alert. At a rule that was full: all others. The target
   * itself: another instance cleared the alert, on a value that differs from the one here. That instance may still
   * believe that it holds the lease, and the two would raise and clear the alert in turns, so its lease must end first.
   */
  #reviewCleared(ruleId: string, target: string): void {
    if (!this.#isSettled(ruleId, target))
      this.#ports.timers.after(LEASE_TTL_MS, () => this.#noteChange(ruleId, target));
    if (!this.#full.delete(ruleId)) return;
    for (const other of this.evaluator.breaching(ruleId)) {
      if (other !== target) this.#noteChange(ruleId, other);
    }
  }

  #reviewAll(): void {
    for (const ruleId of this.ruleIds()) {
      for (const target of this.evaluator.breaching(ruleId)) this.#noteChange(ruleId, target);
      for (const target of Object.keys(this.states.get(ruleId).state.active))
        this.#noteChange(ruleId, target);
      this.#deliveries.wake(ruleId);
    }
  }

  #noteChange(ruleId: string, target: string): void {
    if (!this.acts() || this.#isSettled(ruleId, target)) return;
    const open = this.#open.get(ruleId) ?? new Set();
    open.add(target);
    this.#open.set(ruleId, open);
    this.#reconciler.wake(ruleId);
  }

  /** Returns true when the alert agrees with the verdict, or when the verdict is unknown. */
  #isSettled(ruleId: string, target: string): boolean {
    const { zone } = this.evaluator.verdict(ruleId, target);
    const isRaised = this.states.get(ruleId).state.active[target] !== undefined;
    return isRaised ? zone === "breach" || zone === "band" || zone === "unknown" : zone !== "breach";
  }

  async #step(ruleId: string): Promise<StepResult> {
    const open = this.#open.get(ruleId);
    let dueAtMs = Number.POSITIVE_INFINITY;
    let changes = 0;
    for (const target of open ?? []) {
      if (!this.acts()) return undefined;
      if (changes >= MAX_CHANGES_PER_STEP) return { dueAtMs: this.#ports.clock.nowMs() };
      const targetDueAtMs = this.#dueAtMs(ruleId, target);
      if (targetDueAtMs > this.#ports.clock.nowMs()) {
        if (targetDueAtMs === Number.POSITIVE_INFINITY) open?.delete(target);
        dueAtMs = Math.min(dueAtMs, targetDueAtMs);
        continue;
      }
      changes += 1;
      // The target is removed before the append. A change during the append adds it again, and that entry must remain.
      open?.delete(target);
      await this.#correctAlert(ruleId, target).catch((thrown: unknown) => {
        open?.add(target);
        throw thrown;
      });
    }
    return Number.isFinite(dueAtMs) ? { dueAtMs } : undefined;
  }

  /**
   * Returns the instant at which the alert of this target must be raised or cleared, epoch ms; infinite when neither is
   * due.
   */
  #dueAtMs(ruleId: string, target: string): number {
    if (this.#isSettled(ruleId, target)) return Number.POSITIVE_INFINITY;
    const verdict = this.evaluator.verdict(ruleId, target);
    const rule = effectiveRule(ruleId, this.states.get(ruleId).state);
    return verdict.zone === "breach" && rule !== null ? verdict.sinceMs + rule.forMs : 0;
  }

  async #correctAlert(ruleId: string, target: string): Promise<void> {
    // A default rule is set before its first alert is raised. A second decision about a rule that is set could undo what
    // another instance appended meanwhile.
    const decisions = this.states.get(ruleId).state.rule === null ? 2 : 1;
    for (let i = 0; i < decisions; i += 1) {
      const decide = (state: AlertState) => this.#decide(ruleId, target, state);
      const causation = this.#causation(ruleId);
      const executed = await this.states.react(ruleId, causation, decide, () => this.acts());
      invariant(executed.ok, "raising and clearing are never rejected", { ruleId });
      if (executed.changed) continue;
      if (isFull(executed.current.state)) this.#full.add(ruleId);
      break;
    }
  }

  #decide(ruleId: string, target: string, state: AlertState): Decision<AlertEvent> {
    const verdict = this.evaluator.verdict(ruleId, target);
    switch (verdict.zone) {
      case "breach": {
        const { value, sinceMs } = verdict;
        return alertDecider.decide(state, { type: "raise", ruleId, breach: { target, value, sinceMs } });
      }
      case "clear":
        return alertDecider.decide(state, { type: "clear", target, value: verdict.value, code: "RECOVERED" });
      case "gone":
        return alertDecider.decide(state, { type: "clear", target, value: null, code: "TARGET_GONE" });
      default:
        return UNCHANGED;
    }
  }

  /**
   * Returns the causation of the rule's next event: it keeps the correlation id of the rule's last event, outside of
   * any trace. A default rule has no event yet, so it starts a new correlation id.
   */
  #causation(ruleId: string): Causation {
    const { last } = this.states.get(ruleId);
    if (last !== undefined) return inChainOf(last);
    return { causeId: "default-rules", correlationId: this.#ports.ids.next(), deduplicate: false };
  }
}
