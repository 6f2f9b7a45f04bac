/**
 * The Prometheus rules and the Grafana dashboard use only existing metrics, and the metric catalogue follows the naming
 * conventions.
 */
import { readFileSync } from "node:fs";
import { METRICS } from "@bioxen/contracts";
import { expect, it } from "vitest";

const read = (name: string) =>
  readFileSync(new URL(`../deploy/observability/${name}`, import.meta.url), "utf8");
const RULES = read("bioxen.rules.yml");
const recorded = [...RULES.matchAll(/record: (\S+)/g)].map((match) => match[1]);
const exposed = new Set<string>(
  Object.entries(METRICS).flatMap(([name, { type }]) =>
    type === "histogram" ? ["bucket", "sum", "count"].map((series) => `${name}_${series}`) : [name],
  ),
);

/** The names of BioXen metrics in an expression, by their prefix. */
const namesIn = (text: string) => [...text.matchAll(/\bbioxen[_:][a-z0-9_:]+/g)].map(([name]) => name);

it.each([
  ["rules", [...RULES.matchAll(/expr: (?:>-\n((?: {10}.*\n)+)|(.*))/g)].map((m) => m[1] ?? m[2] ?? "")],
  [
    "dashboard",
    JSON.parse(read("grafana-dashboard.json")).panels.flatMap((p: Panel) => p.targets.map((t) => t.expr)),
  ],
])("every metric name in the %s is exposed by a service or recorded by a rule", (_what, expressions) => {
  const names = expressions.flatMap(namesIn);
  expect(names.length).toBeGreaterThan(10);
  expect(names.filter((name: string) => !exposed.has(name) && !recorded.includes(name))).toEqual([]);
});

interface Panel {
  readonly targets: readonly { readonly expr: string }[];
}

it("metric names have the prefix and base units, and counters end in _total", () => {
  for (const [name, { type, help }] of Object.entries(METRICS)) {
    expect(name).toMatch(/^bioxen_[a-z]+(_[a-z]+)*$/);
    expect(name.endsWith("_total"), name).toBe(type === "counter");
    expect(name).not.toMatch(/_(ms|millis|percent|permille)(_|$)/);
    expect(help.endsWith("."), name).toBe(true);
  }
});
