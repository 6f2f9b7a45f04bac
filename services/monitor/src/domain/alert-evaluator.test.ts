/**
 * The alert evaluator against a naive one that evaluates everything each time; and its cost for a large fleet, which
 * follows the changes and not the size.
 */
import type { AlertRule } from "@bioxen/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AlertEvaluator, type TargetFacts } from "./alert-evaluator.ts";
import { zoneOf } from "./zones.ts";

const EVERYTHING = { vmId: null, chassisId: null, label: null };
const rule = (fields: Partial<AlertRule>): AlertRule => ({
  metric: "vm.health",
  above: null,
  below: null,
  forMs: 0,
  clearMarginPermille: 0,
  severity: "info",
  scope: EVERYTHING,
  ...fields,
});
const facts = (chassisId: string | null = null, labels: TargetFacts["labels"] = {}): TargetFacts => ({
  chassisId,
  labels,
});

describe("zones", () => {
  const threshold = fc.integer({ min: 0, max: 1_000 });
  const condition = fc.record({
    side: fc.constantFrom("above", "below"),
    at: threshold,
    clearMarginPermille: fc.integer({ min: 0, max: 1_000 }),
  });

  it("a value is in breach beyond the threshold, and clear when it is back past it by the margin", () => {
    fc.assert(
      fc.property(
        condition,
        fc.integer({ min: 0, max: 3_000 }),
        ({ side, at, clearMarginPermille }, value) => {
          const above = side === "above" ? at : null;
          const below = side === "below" ? at : null;
          const zone = zoneOf({ above, below, clearMarginPermille }, value);
          expect(zone === "breach").toBe(side === "above" ? value > at : value < at);
          const margin = (at * clearMarginPermille) / 1_000;
          expect(zone === "clear").toBe(side === "above" ? value <= at - margin : value >= at + margin);
        },
      ),
    );
  });

  it("a value that gets worse goes from clear over the band to breach, and never back", () => {
    const order = { clear: 0, band: 1, breach: 2 };
    fc.assert(
      fc.property(
        condition,
        fc.array(fc.integer({ min: 0, max: 3_000 })),
        ({ side, at, ...rest }, values) => {
          const [above, below] = side === "above" ? [at, null] : [null, at];
          const worse = values.sort((a, b) => (side === "above" ? a - b : b - a));
          const zones = worse.map((value) => order[zoneOf({ above, below, ...rest }, value)]);
          expect(zones).toEqual([...zones].sort((a, b) => a - b));
        },
      ),
    );
  });
});

type Step =
  | { readonly do: "value"; readonly target: string; readonly value: number | null | undefined }
  | { readonly do: "facts"; readonly target: string; readonly facts: TargetFacts }
  | { readonly do: "forget"; readonly target: string }
  | { readonly do: "rule"; readonly ruleId: string; readonly rule: AlertRule | null };

const target = fc.constantFrom("a", "b", "c");
const anyFacts = fc
  .tuple(fc.constantFrom(null, "x", "y"), fc.constantFrom({}, { tier: "gold" }, { tier: "tin" }))
  .map(([chassisId, labels]) => facts(chassisId, labels as TargetFacts["labels"]));
const anyScope = fc.record({
  vmId: fc.option(target),
  chassisId: fc.option(fc.constantFrom("x", "y")),
  label: fc.option(fc.constantFrom("tier", "tier=gold")),
});
const anyRule = fc
  .record({
    isAbove: fc.boolean(),
    at: fc.integer({ min: 0, max: 10 }),
    clearMarginPermille: fc.constantFrom(0, 200, 1_000),
    scope: anyScope,
  })
  .map(({ isAbove, at, ...rest }) =>
    rule({ above: isAbove ? at : null, below: isAbove ? null : at, ...rest }),
  );
const value = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 12 }) },
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constant(undefined) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("value" as const), target, value }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("facts" as const), target, facts: anyFacts }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("forget" as const), target }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("rule" as const),
      ruleId: fc.constantFrom("r1", "r2", "r3"),
      rule: fc.option(anyRule),
    }),
  },
);

/** Evaluates a rule from scratch, from the known facts and values of the targets. */
class Naive {
  readonly rules = new Map<string, AlertRule>();
  readonly facts = new Map<string, TargetFacts>();
  readonly values = new Map<string, number | null>();

  zone(ruleId: string, id: string): string {
    const one = this.rules.get(ruleId);
    const known = this.facts.get(id);
    if (one === undefined) return "unknown";
    const { vmId, chassisId, label } = one.scope;
    const isLabelled =
      label === null ||
      (label === "tier" ? "tier" in (known?.labels ?? {}) : known?.labels["tier"] === "gold");
    const isInScope =
      known !== undefined &&
      (vmId === null || vmId === id) &&
      (chassisId === null || chassisId === known.chassisId) &&
      isLabelled;
    if (!isInScope) return "gone";
    const now = this.values.get(id);
    return now === undefined ? "unknown" : now === null ? "gone" : zoneOf(one, now);
  }
}

describe("the evaluator", () => {
  it("gives the same verdicts as the naive evaluator, and reports every change", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const naive = new Naive();
        const changed = new Set<string>();
        const evaluator = new AlertEvaluator((ruleId, id) => changed.add(`${ruleId} ${id}`));
        const since = new Map<string, number>();
        const pairs = ["r1", "r2", "r3"].flatMap((r) => ["a", "b", "c"].map((t) => [r, t] as const));
        const zonesOf = () => new Map(pairs.map(([r, t]) => [`${r} ${t}`, naive.zone(r, t)]));
        let before = zonesOf();
        for (const [nowMs, one] of steps.entries()) {
          changed.clear();
          if (one.do === "value") {
            evaluator.observe("vm.health", one.target, one.value, nowMs);
            if (one.value === undefined) naive.values.delete(one.target);
            else naive.values.set(one.target, one.value);
          } else if (one.do === "facts") {
            evaluator.describe("vm", one.target, one.facts, nowMs);
            naive.facts.set(one.target, one.facts);
          } else if (one.do === "forget") {
            evaluator.forget("vm", one.target);
            if (naive.facts.delete(one.target)) naive.values.delete(one.target);
          } else {
            const isSame =
              JSON.stringify(naive.rules.get(one.ruleId)) === JSON.stringify(one.rule ?? undefined);
            evaluator.setRule(one.ruleId, one.rule, nowMs);
            naive.rules.delete(one.ruleId);
            if (one.rule !== null) naive.rules.set(one.ruleId, one.rule);
            if (!isSame) for (const t of ["a", "b", "c"]) since.delete(`${one.ruleId} ${t}`);
          }
          const zones = zonesOf();
          for (const [r, t] of pairs) {
            const pair = `${r} ${t}`;
            const zone = zones.get(pair);
            const verdict = evaluator.verdict(r, t);
            expect(verdict.zone, pair).toBe(zone);
            if (zone !== "breach") since.delete(pair);
            else if (!since.has(pair)) since.set(pair, nowMs);
            expect(verdict.zone === "breach" ? verdict.sinceMs : undefined, pair).toBe(since.get(pair));
            expect([...evaluator.breaching(r)].includes(t), pair).toBe(zone === "breach");
            const matters = zone === "breach" || zone === "clear" || zone === "gone";
            const isRuleGone = one.do === "rule" && naive.rules.get(r) === undefined;
            if (before.get(pair) !== zone && matters && !isRuleGone && one.do !== "rule") {
              expect(changed.has(pair), `${pair} went from ${before.get(pair)} to ${zone}`).toBe(true);
            }
          }
          before = zones;
        }
      }),
      { numRuns: 300 },
    );
  });

  it("with 1 000 rules and 2 000 VMs reports each breach once, and nothing for steady values", () => {
    const [rules, vms] = [1_000, 2_000];
    let reported = 0;
    const evaluator = new AlertEvaluator(() => {
      reported += 1;
    });
    for (let r = 0; r < rules; r += 1)
      evaluator.setRule(`r${r}`, rule({ below: 100 + r, clearMarginPermille: 100 }), 0);
    const all = Array.from({ length: vms }, (_, i) => `vm-${i}`);
    for (const id of all) {
      evaluator.describe("vm", id, facts(), 0);
      evaluator.observe("vm.health", id, 5_000, 0);
    }
    reported = 0;
    // These values cross no edge of any rule.
    for (let second = 1; second <= 60; second += 1) {
      for (const id of all) evaluator.observe("vm.health", id, 5_000 + second, second);
    }
    expect(reported).toBe(0);
    for (const id of all) evaluator.observe("vm.health", id, 1, 61);
    expect(reported).toBe(rules * vms);
    reported = 0;
    for (const id of all) evaluator.observe("vm.health", id, 2, 62);
    expect(reported).toBe(0);
    for (let r = 0; r < rules; r += 1) expect([...evaluator.breaching(`r${r}`)]).toHaveLength(vms);
    for (const id of all) evaluator.observe("vm.health", id, 5_000, 63);
    for (let r = 0; r < rules; r += 1) expect([...evaluator.breaching(`r${r}`)]).toHaveLength(0);
  });
});
