/**
 * An alert rule as a form describes it.
 */

/** The metrics of the contract with their units; a test holds them to the catalogue. */
export const METRICS: Readonly<Record<string, string>> = {
  "vm.health": "0 to 100",
  "vm.growthPermille": "‰",
  "vm.memoryPermille": "‰",
  "vm.unmeasured": "0 or 1",
  "vm.pendingMs": "ms",
  "vm.lagMs": "ms",
  "chassis.reservedPermille": "‰",
  "chassis.heartbeatAgeMs": "ms",
  "chassis.rivals": "processes",
  "chassis.orphans": "machines",
  "chassis.leftBehind": "objects",
  "telemetry.lostPermille": "‰",
  "log.lagEvents": "events",
  "log.unreadable": "messages",
  "log.foreignStreams": "streams",
  "log.missingCopies": "copies",
};

/** The request that the texts of the form mean. */
export function ruleOf(texts: Readonly<Record<string, string>>): object {
  const { ruleId, metric, side = "below", limit, seconds, severity, scope = "", target = "" } = texts;
  return {
    ruleId,
    metric,
    [side]: Number(limit),
    forMs: Math.round(Number(seconds ?? 0) * 1_000),
    severity,
    ...(scope === "" ? {} : { scope: { [scope]: target } }),
  };
}
