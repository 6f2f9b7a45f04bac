/**
 * The default alert rules, which apply until an operator changes or removes them. A default rule is recorded in the log
 * with the first alert that it raises. Until then, a newer version of BioXen may replace the rule by a better one.
 */
import type { AlertRule } from "./alerts.ts";
import { SUSPECT_AFTER_MS } from "./telemetry.ts";

const EVERYTHING = { vmId: null, chassisId: null, label: null } as const;
const above = (
  metric: string,
  threshold: number,
  rest: Pick<AlertRule, "severity" | "forMs">,
): AlertRule => ({
  metric,
  above: threshold,
  below: null,
  clearMarginPermille: 100,
  scope: EVERYTHING,
  ...rest,
});

export const DEFAULT_ALERT_RULES: Readonly<Record<string, AlertRule>> = {
  /**
   * Raised when growth is below half of the type's reference rate. According to the cell model, a VM grows this slowly
   * with about a quarter of its requested ribosomes or ATP.
   */
  "vm-starving": {
    metric: "vm.growthPermille",
    above: null,
    below: 500,
    forMs: 30_000,
    clearMarginPermille: 100,
    severity: "warning",
    scope: EVERYTHING,
  },
  "vm-stalled": {
    metric: "vm.growthPermille",
    above: null,
    below: 10,
    forMs: 30_000,
    clearMarginPermille: 1_000,
    severity: "critical",
    scope: EVERYTHING,
  },
  /** Raised for a machine whose operating system begins to swap: see the health of a machine in the monitor. */
  "machine-memory-full": above("vm.memoryPermille", 950, { severity: "warning", forMs: 60_000 }),
  /** Raised after a minute without measurements: a host writes one every 5 s, and the first one after the boot. */
  "machine-unmeasured": above("vm.unmeasured", 0, { severity: "warning", forMs: 60_000 }),
  /** Raised when a VM has waited for 60 s: placement takes less than a second when there is room. */
  "vm-pending": above("vm.pendingMs", 60_000, { severity: "warning", forMs: 0 }),
  "vm-lagging": above("vm.lagMs", 5_000, { severity: "warning", forMs: 10_000 }),
  "chassis-suspect": above("chassis.heartbeatAgeMs", SUSPECT_AFTER_MS, { severity: "warning", forMs: 0 }),
  /** Raised after 15 s without a heartbeat: a restarted agent sends heartbeats again within seconds. */
  "chassis-lost": above("chassis.heartbeatAgeMs", 15_000, { severity: "critical", forMs: 0 }),
  /**
   * Raised when a second process has been trying for 5 s to run the chassis. A rolling restart of an agent is shorter.
   */
  "chassis-contested": above("chassis.rivals", 0, { severity: "critical", forMs: 5_000 }),
  /** Raised when a pool has had machines of other owners for 10 s. An agent that starts may first have to mark its own. */
  "pool-orphans": above("chassis.orphans", 0, { severity: "warning", forMs: 10_000 }),
  /** Raised when the agent has given up removing something from its pool: a person must remove it. */
  "pool-left-behind": above("chassis.leftBehind", 0, { severity: "warning", forMs: 0 }),
  "ledger-full": {
    ...above("chassis.reservedPermille", 950, { severity: "info", forMs: 60_000 }),
    clearMarginPermille: 20,
  },
  "telemetry-lost": above("telemetry.lostPermille", 50, { severity: "warning", forMs: 10_000 }),
  /**
   * Raised when a service is 5 000 events behind the log: a healthy service applies a stored event within milliseconds.
   */
  "log-lagging": above("log.lagEvents", 5_000, { severity: "warning", forMs: 10_000 }),
  /**
   * Raised at the first unreadable message. Such a message stops a VM, chassis, ledger, quota or rule until an operator
   * acts.
   */
  "log-unreadable": above("log.unreadable", 0, { severity: "critical", forMs: 0 }),
  "foreign-stream": above("log.foreignStreams", 0, { severity: "warning", forMs: 0 }),
  /** Raised when a stream has lacked a copy for 30 s. A planned restart of a server takes less time. */
  "copies-missing": above("log.missingCopies", 0, { severity: "critical", forMs: 30_000 }),
};
