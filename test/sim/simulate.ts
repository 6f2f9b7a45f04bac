/**
 * The outcome of many runs: the failed ones, and the sums of everything that happened.
 */
import {
  ALERT_EVENTS,
  CHASSIS_EVENTS,
  DRAIN_EVENTS,
  LEDGER_EVENTS,
  QUOTA_EVENTS,
  VM_EVENTS,
} from "@bioxen/contracts";
import { FAULTS } from "./faults.ts";
import { FLOOD_PROBES } from "./floods.ts";
import { FORGERY_PROBES } from "./forgeries.ts";
import { CUT_PROBES } from "./log-cuts.ts";
import { OWNER_PROBES } from "./owners.ts";
import { type PlannedFault, planOf } from "./plan.ts";
import { type RunReport, run } from "./run.ts";

/** Every n-th seed runs twice, because the same seed must give the same history. */
const TWICE_EVERY = 20;

/** What must happen at least once in 200 runs; otherwise the runs prove less than they seem to. */
const PROBES: readonly string[] = [
  ...FAULTS,
  ...FORGERY_PROBES,
  ...FLOOD_PROBES,
  ...CUT_PROBES,
  ...OWNER_PROBES,
  "conflict",
  "outcome-found-again",
  "snapshot written",
  "state restored from a snapshot",
  "lease-taken-over",
  "poison-skipped",
  "agent-waited",
  "twin-took-over",
  "agent-superseded",
  "stale-proposer-refused",
  ...[
    "VM_NOT_FOUND",
    "VM_ALREADY_EXISTS",
    "INVALID_TRANSITION",
    "CAPACITY_EXCEEDED",
    // Without QUOTA_EXCEEDED: a resize that only a quota refuses is rarer than once in 200 runs. test/e2e/quota.test.ts
    // covers it.
    "SNAPSHOT_NOT_FOUND",
  ].map((code) => `refused ${code}`),
  // Without changes from outside and refused or long starts: no simulated driver has them. test/e2e/xcpng.test.ts and
  // test/e2e/xcpng-refusals.test.ts cover them.
  ...Object.keys(VM_EVENTS).filter((type) => !/observed|start-refused|start-progressed/.test(type)),
  ...["starve", "pause", "evict"].map((mode) => `gave way: ${mode}`),
  ...Object.keys(LEDGER_EVENTS).filter((type) => !/closed|capacity-changed/.test(type)),
  ...Object.keys(DRAIN_EVENTS),
  ...Object.keys(QUOTA_EVENTS),
  ...Object.keys(ALERT_EVENTS),
  ...Object.keys(CHASSIS_EVENTS).filter((type) => /registered|lost|recovered/.test(type)),
  "displaced CHASSIS_LOST",
  "resized at a minute",
  "resized at a coming minute",
];

/** The outcome of some runs, which can be summed with others by `judged`. */
export interface Runs {
  readonly failed: readonly RunReport[];
  readonly happened: ReadonlyMap<string, number>;
  readonly events: number;
}

export interface Simulated extends Runs {
  /** Probes that never happened. */
  readonly missing: readonly string[];
}

/** Runs consecutive seeds, without the large faults in `without`. */
export async function runs(
  first: number,
  seeds: number,
  without: readonly PlannedFault[] = [],
): Promise<Runs> {
  const failed: RunReport[] = [];
  const happened = new Map<string, number>();
  let events = 0;
  for (let seed = first; seed < first + seeds; seed += 1) {
    const plan = planOf(seed, without);
    const report = await run(seed, { plan });
    if (seed % TWICE_EVERY === 0) {
      const again = await run(seed, { plan });
      if (again.trace !== report.trace)
        failed.push({ ...report, problems: ["the same seed made two histories"] });
    }
    if (report.problems.length > 0) failed.push(report);
    add(happened, report.happened);
    events += report.events;
  }
  return { failed, happened, events };
}

export function judged(parts: readonly Runs[]): Simulated {
  const happened = new Map<string, number>();
  for (const part of parts) add(happened, part.happened);
  return {
    failed: parts.flatMap((part) => part.failed).sort((a, b) => a.seed - b.seed),
    happened,
    events: parts.reduce((events, part) => events + part.events, 0),
    missing: PROBES.filter((name) => !happened.has(name)),
  };
}

function add(sums: Map<string, number>, counts: ReadonlyMap<string, number>): void {
  for (const [name, count] of counts) sums.set(name, (sums.get(name) ?? 0) + count);
}
