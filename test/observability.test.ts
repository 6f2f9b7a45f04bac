/**
 * The Prometheus rules and the Grafana dashboard use only existing metrics, and the metric catalogue follows the naming
 * conventions.
 */
import { readFileSync } from "node:fs";
import { METRICS, type Metric } from "@bioxen/contracts";
import { expect, it } from "vitest";

const read = (name: string) =>
  readFileSync(new URL(`../deploy/observability/${name}`, import.meta.url), "utf8");
const RULES = read("bioxen.rules.yml");
const recorded = [...RULES.matchAll(/record: (\S+)/g)].map((match) => match[1]);
const seriesOf = ([name, { type }]: [string, Metric]): string[] =>
  type === "histogram" ? ["bucket", "sum", "count"].map((series) => `${name}_${series}`) : [name];
const exposed = new Set<string>(Object.entries(METRICS).flatMap(seriesOf));

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

it("every metric is used by a rule or a panel", () => {
  const used = new Set(namesIn(`${RULES} ${read("grafana-dashboard.json")}`));
  const unused = Object.entries(METRICS).filter(
    (metric) => !seriesOf(metric).some((series) => used.has(series)),
  );
  expect(unused.map(([name]) => name)).toEqual([]);
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

interface Provisioned {
  readonly title: string;
  readonly type: string;
  readonly description?: string;
  readonly targets: readonly { readonly expr: string }[];
}

const dashboard = JSON.parse(read("grafana-dashboard.json"));

it("every panel of the dashboard has a description, and stat and table panels are among them", () => {
  const panels: Provisioned[] = dashboard.panels;
  expect(panels.filter(({ description = "" }) => !description.endsWith("."))).toEqual([]);
  expect(new Set(panels.map(({ type }) => type))).toEqual(new Set(["stat", "table", "timeseries"]));
});

it("the variables and annotations of the dashboard use exposed metrics, labels and alerts", () => {
  const queries: { name: string; definition?: string }[] = dashboard.templating.list;
  for (const { name, definition } of queries.filter((one) => one.definition !== undefined)) {
    const [, metric = "", label = ""] = /^label_values\((\w+), (\w+)\)$/.exec(definition ?? "") ?? [];
    expect(exposed.has(metric), name).toBe(true);
    // Every service adds the label `service` to the metrics of its process.
    const labels: readonly string[] = METRICS[metric as keyof typeof METRICS].labels;
    expect([...labels, "service"], name).toContain(label);
  }
  const [{ expr }] = dashboard.annotations.list;
  expect(expr).toContain('alertname=~"Bioxen.*"');
  expect([...RULES.matchAll(/alert: (\S+)/g)].every(([, name]) => name?.startsWith("Bioxen"))).toBe(true);
});

it("the compose profile provisions the data source and the dashboard", () => {
  const compose = readFileSync(new URL("../docker-compose.yml", import.meta.url), "utf8");
  for (const file of ["grafana/datasources.yml", "grafana/dashboards.yml", "grafana-dashboard.json"]) {
    expect(read(file).length).toBeGreaterThan(0);
    expect(compose).toContain(`./deploy/observability/${file}:/etc/`);
  }
  const [, folder] = /options: \{ path: (\S+) \}/.exec(read("grafana/dashboards.yml")) ?? [];
  expect(compose).toContain(`grafana-dashboard.json:${folder}/`);
  expect(read("grafana/datasources.yml")).toContain("url: http://prometheus:9090");
});
