/**
 * The rules that are there unless somebody changed or removed them. They stand in the log from the first alert they raise on;
 * until then a newer version of BioXen may bring better ones.
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
  /** Under half of what its type grows at: with the model's curve, about a quarter of the ribosomes or ATP it asks for. */
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
  /** A place is found within a second where there is one. */
  "vm-pending": above("vm.pendingMs", 60_000, { severity: "warning", forMs: 0 }),
  "vm-lagging": above("vm.lagMs", 5_000, { severity: "warning", forMs: 10_000 }),
  "chassis-suspect": above("chassis.heartbeatAgeMs", SUSPECT_AFTER_MS, { severity: "warning", forMs: 0 }),
  /** An agent that is restarted is back within seconds. */
  "chassis-lost": above("chassis.heartbeatAgeMs", 15_000, { severity: "critical", forMs: 0 }),
  "ledger-full": {
    ...above("chassis.reservedPermille", 950, { severity: "info", forMs: 60_000 }),
    clearMarginPermille: 20,
  },
  "telemetry-lost": above("telemetry.lostPermille", 50, { severity: "warning", forMs: 10_000 }),
  /** A service that is well has applied what is stored within milliseconds. */
  "log-lagging": above("log.lagEvents", 5_000, { severity: "warning", forMs: 10_000 }),
};
