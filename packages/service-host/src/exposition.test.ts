/**
 * The text of the metrics in both formats, and the choice of the format.
 */
import { done, ENDPOINTS, type Measurement, serve } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { expositionOf, formatFor } from "./exposition.ts";
import { measuredFamily, ProcessMetrics } from "./metrics.ts";

const MEASURED: readonly Measurement[] = [
  { metric: "bioxen_requests_waiting", values: [{ value: 2, labels: { lane: "command" } }] },
  { metric: "bioxen_requests_dropped_total", values: [{ value: 3, labels: { reason: "reply" } }] },
  {
    metric: "bioxen_chassis_offered",
    values: [{ value: 0, labels: { chassis: 'a\\b="c"\n', resource: "ribosomes" } }],
  },
  { metric: "bioxen_chassis_reserved", values: [] },
  {
    metric: "bioxen_vm_start_duration_seconds",
    values: [
      { series: "bucket", labels: { le: "0.1" }, value: 1 },
      { series: "bucket", labels: { le: "+Inf" }, value: 2 },
      { series: "sum", value: 0.7 },
      { series: "count", value: 2 },
    ],
  },
];
const families = MEASURED.map(measuredFamily);

const OFFERED = String.raw`# HELP bioxen_chassis_offered Amount of a resource that a chassis offers.
# TYPE bioxen_chassis_offered gauge
bioxen_chassis_offered{chassis="a\\b=\"c\"\n",resource="ribosomes"} 0`;
const HISTOGRAM = `# HELP bioxen_vm_start_duration_seconds Time from a start request to a running guest, since the monitor started.
# TYPE bioxen_vm_start_duration_seconds histogram
bioxen_vm_start_duration_seconds_bucket{le="0.1"} 1
bioxen_vm_start_duration_seconds_bucket{le="+Inf"} 2
bioxen_vm_start_duration_seconds_sum 0.7
bioxen_vm_start_duration_seconds_count 2`;
const WAITING = `# HELP bioxen_requests_waiting Requests that wait for a place, by lane.
# TYPE bioxen_requests_waiting gauge
bioxen_requests_waiting{lane="command"} 2`;
const dropped = (family: string) =>
  `# HELP ${family} Messages without an answer: their reply subject is no inbox, or there were too many discoveries.
# TYPE ${family} counter
bioxen_requests_dropped_total{reason="reply"} 3`;

it("the format of Prometheus: every family with a value", async () => {
  expect(await expositionOf(families, "prometheus")).toBe(
    `${[WAITING, dropped("bioxen_requests_dropped_total"), OFFERED, HISTOGRAM].join("\n\n")}\n`,
  );
  expect(await expositionOf([], "prometheus")).toBe("");
});

it("OpenMetrics: counters are named without _total, and their samples with it; ends in # EOF", async () => {
  const text = [WAITING, dropped("bioxen_requests_dropped"), OFFERED, HISTOGRAM].join("\n");
  for (let i = 0; i < 2; i += 1) expect(await expositionOf(families, "openmetrics")).toBe(`${text}\n# EOF\n`);
  expect(await expositionOf([], "openmetrics")).toBe("# EOF\n");
});

/** The grammar of a sample. Numbers have no upper or lower case: prom-client writes `Nan`. */
const LABEL = String.raw`[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*"`;
const SAMPLE = new RegExp(
  String.raw`^([a-zA-Z_:][\w:]*)(\{${LABEL}(?:,${LABEL})*\})? (-?\d\S*|[+-]Inf|NaN|Nan)$`,
);
const SUFFIXES = { counter: ["_total"], gauge: [""], histogram: ["_bucket", "_sum", "_count"] };

it("all metrics of a process follow the grammar of OpenMetrics, and keep their names in the other format", async () => {
  const metrics = new ProcessMetrics("lifecycle", () => ({ ready: true, appliedSeq: 1, lagEvents: 0 }));
  const served = metrics.counted(serve(ENDPOINTS.vmList, () => done({ vms: [], cursor: null })));
  const causation = { causeId: "a", correlationId: "a", deduplicate: false };
  await served.observe?.({}, causation, async () => ({ ok: true, result: {} }));
  const before = await metrics.text(MEASURED, "prometheus", true);
  const text = await metrics.text(MEASURED, "openmetrics", true);
  expect(text.endsWith("\n# EOF\n")).toBe(true);
  const families = text
    .slice(0, -"\n# EOF\n".length)
    .split(/\n?^(?=# HELP )/m)
    .filter((one) => one !== "");
  expect(families.length).toBeGreaterThan(25);
  for (const family of families) {
    const [help = "", type = "", ...samples] = family.split("\n");
    const [, name = "", kind = ""] = /^# TYPE (\S+) (\w+)$/.exec(type) ?? [];
    expect(help.startsWith(`# HELP ${name} `), type).toBe(true);
    const names = SUFFIXES[kind as keyof typeof SUFFIXES].map((suffix) => `${name}${suffix}`);
    for (const sample of samples) expect(names, sample).toContain(SAMPLE.exec(sample)?.[1]);
    expect(samples.length, name).toBeGreaterThan(0);
  }
  const after = await metrics.text(MEASURED, "prometheus", true);
  const typesOf = (one: string) => [...one.matchAll(/^# TYPE .*$/gm)].map(([line]) => line);
  expect(typesOf(after)).toEqual(typesOf(before));
  expect(after).toContain(
    'bioxen_requests_total{service="lifecycle",endpoint="bioxen.qry.vm.list",code="OK"} 1\n',
  );
  expect(after).toContain('bioxen_requests_waiting{service="lifecycle",lane="command"} 2\n');
  expect(after).toContain('bioxen_ready{service="lifecycle"} 1\n');
  expect(after).toContain("\nbioxen_vm_start_duration_seconds_count 2\n");
});

it.each([
  ["", "prometheus"],
  ["*/*", "prometheus"],
  ["text/html,application/xhtml+xml,*/*;q=0.8", "prometheus"],
  ["application/openmetrics-text", "openmetrics"],
  ["application/openmetrics-text; version=1.0.0; charset=utf-8", "openmetrics"],
  ["application/openmetrics-text;version=0.0.1", "prometheus"],
  ["application/openmetrics-text;q=0, text/plain;q=0.1", "prometheus"],
  ["application/openmetrics-text;q=0.3,text/plain;q=0.5", "prometheus"],
  // The header of Prometheus 2 and 3.
  [
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    "openmetrics",
  ],
  [
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
    "openmetrics",
  ],
])("Accept: %s", (accept, format) => {
  expect(formatFor(accept)).toBe(format);
});
