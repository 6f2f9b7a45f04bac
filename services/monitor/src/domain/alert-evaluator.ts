/**
 * Evaluator of alert rules: which rule is in breach for which target, updated value by value.
 *
 * An edge is a value at which a rule's verdict may change. A new value concerns only the rules with an edge between the
 * old value and the new value. These rules are found by bisection in the sorted edges of the metric. A thousand rules
 * and two thousand VMs with steady values therefore cost one search per sample, and nothing per rule. The caller knows
 * which alerts are raised. The evaluator notifies the caller of every pair of rule and target whose verdict may have
 * changed, and the caller then asks for that verdict.
 *
 * The hold time of a rule is the time for which a breach must last before the alert is raised. An unknown value (a
 * silent agent, a paused guest) restarts the hold time, because the breach was not observed throughout.
 */
import {
  ALERT_METRICS,
  type AlertMetricName,
  type AlertRule,
  type AlertTargetKind,
  hasLabel,
} from "@bioxen/contracts";
import { equalRules } from "./alert.ts";
import { edgesOf, type Zone, zoneOf } from "./zones.ts";

/** The properties of a target that a scope can select by. */
export interface TargetFacts {
  readonly chassisId: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

export type Verdict =
  | { readonly zone: "breach"; readonly sinceMs: number; readonly value: number }
  | { readonly zone: Exclude<Zone, "breach">; readonly value: number }
  /** The value is unknown now. */
  | { readonly zone: "unknown" }
  /** The target does not exist, has no such value, or is outside the scope of the rule. */
  | { readonly zone: "gone" };

interface WatchedRule {
  readonly ruleId: string;
  readonly rule: AlertRule;
  /** By target in breach: the instant from which its value has been beyond the threshold, epoch ms. */
  readonly breaching: Map<string, number>;
}

interface Edge {
  readonly at: number;
  readonly watched: WatchedRule;
}

class MetricWatch {
  /**
   * By target: its present value; null when the target cannot have a value in its present state. A target with an
   * unknown value has no entry.
   */
  readonly values = new Map<string, number | null>();
  readonly rules = new Map<string, WatchedRule>();
  #edges: Edge[] | undefined;

  rulesChanged(): void {
    this.#edges = undefined;
  }

  /** Returns the rules with an edge between `from` and `to`, both included. */
  between(from: number, to: number): Set<WatchedRule> {
    const found = new Set<WatchedRule>();
    this.#edges ??= sortedEdges(this.rules.values());
    const [low, high] = from < to ? [from, to] : [to, from];
    const edges = this.#edges;
    for (let i = firstAtLeast(edges, low); i < edges.length; i += 1) {
      const edge = edges[i];
      if (edge === undefined || edge.at > high) break;
      found.add(edge.watched);
    }
    return found;
  }
}

function sortedEdges(rules: Iterable<WatchedRule>): Edge[] {
  const edges: Edge[] = [];
  for (const watched of rules) {
    const { breach, clear } = edgesOf(watched.rule);
    edges.push({ at: breach, watched });
    if (clear !== breach) edges.push({ at: clear, watched });
  }
  return edges.sort((a, b) => a.at - b.at);
}

function firstAtLeast(edges: readonly Edge[], value: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((edges[middle]?.at ?? Number.POSITIVE_INFINITY) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class AlertEvaluator {
  readonly #onChange: (ruleId: string, target: string) => void;
  readonly #metrics = new Map<string, MetricWatch>();
  readonly #metricOf = new Map<string, string>();
  readonly #facts: Readonly<Record<AlertTargetKind, Map<string, TargetFacts>>> = {
    vm: new Map(),
    chassis: new Map(),
    service: new Map(),
    log: new Map(),
  };

  /** Calls `onChange` for every pair of rule and target whose verdict may have changed. */
  constructor(onChange: (ruleId: string, target: string) => void) {
    this.#onChange = onChange;
    for (const name of Object.keys(ALERT_METRICS)) this.#metrics.set(name, new MetricWatch());
  }

  /** Sets or, with null, removes a rule. A rule that differs from the present one restarts all its hold times. */
  setRule(ruleId: string, rule: AlertRule | null, nowMs: number): void {
    const metric = this.#metricOf.get(ruleId);
    const before = metric === undefined ? undefined : this.#metrics.get(metric);
    const known = before?.rules.get(ruleId);
    if (known !== undefined && rule !== null && equalRules(known.rule, rule)) return;
    before?.rules.delete(ruleId);
    before?.rulesChanged();
    this.#metricOf.delete(ruleId);
    const watch = rule === null ? undefined : this.#metrics.get(rule.metric);
    // A metric that this version does not know is not watched, and its alerts stay as they are.
    if (rule === null || watch === undefined) return;
    const watched = { ruleId, rule, breaching: new Map<string, number>() };
    watch.rules.set(ruleId, watched);
    watch.rulesChanged();
    this.#metricOf.set(ruleId, rule.metric);
    for (const target of watch.values.keys()) this.#judge(watched, target, nowMs);
  }

  /** Adds a target, or updates the facts that scopes select by. */
  describe(kind: AlertTargetKind, target: string, facts: TargetFacts, nowMs: number): void {
    const before = this.#facts[kind].get(target);
    this.#facts[kind].set(target, facts);
    if (before !== undefined && sameFacts(before, facts)) return;
    for (const watch of this.#watchesOf(kind)) {
      for (const watched of watch.rules.values()) this.#judge(watched, target, nowMs);
    }
  }

  /**
   * Sets the present value of a target: undefined when the value is unknown, null when the target cannot have a value
   * in its present state.
   */
  observe(metric: AlertMetricName, target: string, value: number | null | undefined, nowMs: number): void {
    const watch = this.#metrics.get(metric);
    if (watch === undefined) return;
    const before = watch.values.get(target);
    if (value === before) return;
    if (value === undefined) {
      watch.values.delete(target);
      for (const { breaching } of watch.rules.values()) breaching.delete(target);
      return;
    }
    watch.values.set(target, value);
    const isStep = typeof before === "number" && value !== null;
    const concerned = isStep ? watch.between(before, value) : watch.rules.values();
    for (const watched of concerned) this.#judge(watched, target, nowMs);
  }

  /** Removes a target that no longer exists. */
  forget(kind: AlertTargetKind, target: string): void {
    if (!this.#facts[kind].delete(target)) return;
    for (const watch of this.#watchesOf(kind)) {
      watch.values.delete(target);
      for (const { ruleId, breaching } of watch.rules.values()) {
        breaching.delete(target);
        this.#onChange(ruleId, target);
      }
    }
  }

  verdict(ruleId: string, target: string): Verdict {
    const metric = this.#metricOf.get(ruleId);
    const watch = metric === undefined ? undefined : this.#metrics.get(metric);
    const watched = watch?.rules.get(ruleId);
    if (watch === undefined || watched === undefined) return { zone: "unknown" };
    if (!this.#isInScope(watched.rule, target)) return { zone: "gone" };
    const value = watch.values.get(target);
    if (value === undefined) return { zone: "unknown" };
    if (value === null) return { zone: "gone" };
    const zone = zoneOf(watched.rule, value);
    const sinceMs = watched.breaching.get(target);
    if (zone !== "breach") return { zone, value };
    return sinceMs === undefined ? { zone: "unknown" } : { zone, value, sinceMs };
  }

  /** Returns the targets whose value is beyond the threshold of this rule now. */
  breaching(ruleId: string): IterableIterator<string> {
    const metric = this.#metricOf.get(ruleId);
    const watched = metric === undefined ? undefined : this.#metrics.get(metric)?.rules.get(ruleId);
    return (watched?.breaching ?? new Map<string, number>()).keys();
  }

  #judge(watched: WatchedRule, target: string, nowMs: number): void {
    const { ruleId, rule, breaching } = watched;
    const value = this.#metrics.get(rule.metric)?.values.get(target);
    const isBreach =
      typeof value === "number" && this.#isInScope(rule, target) && zoneOf(rule, value) === "breach";
    if (!isBreach) breaching.delete(target);
    else if (!breaching.has(target)) breaching.set(target, nowMs);
    this.#onChange(ruleId, target);
  }

  #isInScope({ metric, scope }: AlertRule, target: string): boolean {
    const kind = ALERT_METRICS[metric as AlertMetricName].of;
    const facts = this.#facts[kind].get(target);
    if (facts === undefined) return false;
    if (scope.vmId !== null && scope.vmId !== target) return false;
    if (scope.chassisId !== null && scope.chassisId !== (kind === "chassis" ? target : facts.chassisId))
      return false;
    return scope.label === null || hasLabel(facts.labels, scope.label);
  }

  *#watchesOf(kind: AlertTargetKind): IterableIterator<MetricWatch> {
    for (const [name, watch] of this.#metrics) {
      if (ALERT_METRICS[name as AlertMetricName].of === kind) yield watch;
    }
  }
}

function sameFacts(a: TargetFacts, b: TargetFacts): boolean {
  return a.chassisId === b.chassisId && a.labels === b.labels;
}
