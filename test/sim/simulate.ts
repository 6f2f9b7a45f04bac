/**
 * Many runs: which failed, and what happened in all of them together.
 */
import { ALERT_EVENTS, CHASSIS_EVENTS, LEDGER_EVENTS, QUOTA_EVENTS, VM_EVENTS } from "@bioxen/contracts";
import { FAULTS } from "./faults.ts";
import { type RunReport, run } from "./run.ts";

/** Every n-th seed runs twice: the same seed must be the same history. */
const TWICE_EVERY = 20;

/** What has to have happened over enough runs, or the runs prove less than they seem to. */
const PROBES: readonly string[] = [
  ...FAULTS,
  "conflict",
  "outcome-found-again",
  "a snapshot was written",
  "a snapshot was taken over",
  "lease-taken-over",
  "stale-proposer-refused",
  ...[
    "VM_NOT_FOUND",
    "VM_ALREADY_EXISTS",
    "INVALID_TRANSITION",
    "CAPACITY_EXCEEDED",
    // Not QUOTA_EXCEEDED: a resize that only a quota stands against is rarer than once in 200 runs; test/e2e/quota.test.ts has it.
    "SNAPSHOT_NOT_FOUND",
  ].map((code) => `refused ${code}`),
  // Not observed: the guests of a simulated agent are in its process, where nobody else can change them; test/e2e/xcpng.test.ts has it.
  ...Object.keys(VM_EVENTS).filter((type) => type !== "bioxen.vm.observed.v1"),
  ...["starve", "pause", "evict"].map((mode) => `gave way: ${mode}`),
  ...Object.keys(LEDGER_EVENTS).filter((type) => !/closed|capacity-changed/.test(type)),
  ...Object.keys(QUOTA_EVENTS),
  ...Object.keys(ALERT_EVENTS),
  ...Object.keys(CHASSIS_EVENTS).filter((type) => /registered|lost|recovered/.test(type)),
  "displaced CHASSIS_LOST",
];

export interface Simulated {
  readonly failed: readonly RunReport[];
  readonly happened: ReadonlyMap<string, number>;
  /** Probes that never fired. */
  readonly missing: readonly string[];
  readonly events: number;
}

export async function simulate(
  first: number,
  seeds: number,
  onRun: (done: number) => void = () => {},
): Promise<Simulated> {
  const failed: RunReport[] = [];
  const happened = new Map<string, number>();
  let events = 0;
  for (let i = 0; i < seeds; i += 1) {
    const seed = first + i;
    const report = await run(seed);
    if (i % TWICE_EVERY === 0) {
      const again = await run(seed);
      if (again.trace !== report.trace)
        failed.push({ ...report, problems: ["the same seed made two histories"] });
    }
    if (report.problems.length > 0) failed.push(report);
    for (const [name, count] of report.happened) happened.set(name, (happened.get(name) ?? 0) + count);
    events += report.events;
    onRun(i + 1);
  }
  return { failed, happened, missing: PROBES.filter((name) => !happened.has(name)), events };
}
