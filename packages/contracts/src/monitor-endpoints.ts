/**
 * What the monitor is asked: measurements, and the alerts it raises on them.
 */
import { z } from "zod";
import { activeAlert, alertRuleRequest, alertRuleView, deadNotification } from "./alerts.ts";
import { endpoint } from "./endpoint.ts";
import { id, MAX_PAGE } from "./schemas.ts";
import { chassisSample, vmSample } from "./telemetry.ts";

const resourceUse = z.object({
  capacity: z.number(),
  offered: z.number(),
  reserved: z.number(),
  permille: z.number(),
});
const utilisation = z.record(z.string(), resourceUse);
const ruleOnly = z.strictObject({ ruleId: id });
const ruleChanged = z.object({ changed: z.boolean(), rule: alertRuleView.nullable() });

export const MONITOR_ENDPOINTS = {
  monitorVm: endpoint(
    "bioxen.qry.monitor.vm",
    "monitor",
    "The latest telemetry of one VM; null when none was heard since the monitor began.",
    z.strictObject({ vmId: id }),
    z.object({ sample: vmSample.nullable(), ageMs: z.int().nullable() }),
  ),
  monitorChassis: endpoint(
    "bioxen.qry.monitor.chassis",
    "monitor",
    "Utilisation per resource, fairness and health of one chassis.",
    z.strictObject({ chassisId: id }),
    z.object({
      chassisId: z.string(),
      utilisation,
      fairness: z.number().nullable(),
      health: z.number().nullable(),
      vms: z.int(),
      sample: chassisSample.nullable(),
    }),
  ),
  monitorFleet: endpoint(
    "bioxen.qry.monitor.fleet",
    "monitor",
    "Utilisation per resource over all chassis, Jain's index over granted ÷ requested, health, VMs by state.",
    z.strictObject({}),
    z.object({
      utilisation,
      fairness: z.number().nullable(),
      health: z.number().nullable(),
      vms: z.record(z.string(), z.int()),
      divisions: z.int(),
      samples: z.array(vmSample),
    }),
  ),
  alertSetRule: endpoint(
    "bioxen.cmd.alert.set-rule",
    "monitor",
    "Watch a metric: set a rule, or set it anew. Alerts under it stay, and are judged by it from now on.",
    alertRuleRequest,
    ruleChanged,
  ),
  alertRemoveRule: endpoint(
    "bioxen.cmd.alert.remove-rule",
    "monitor",
    "Watch no more; its alerts end with it. A rule that is there by default stays away once it was removed.",
    ruleOnly,
    ruleChanged,
  ),
  alertList: endpoint(
    "bioxen.qry.alert.list",
    "monitor",
    "All rules in order of id, and the alerts raised and not cleared, the oldest first; at most `limit` of those, `activeTotal` has their number.",
    z.strictObject({ ruleId: id.optional(), limit: z.int().min(0).max(MAX_PAGE).default(MAX_PAGE) }),
    z.object({ rules: z.array(alertRuleView), active: z.array(activeAlert), activeTotal: z.int() }),
  ),
  alertDead: endpoint(
    "bioxen.qry.alert.dead",
    "monitor",
    "Notifications that a webhook never took, the oldest first; at most `limit`, `total` has their number.",
    z.strictObject({ limit: z.int().min(0).max(MAX_PAGE).default(MAX_PAGE) }),
    z.object({ dead: z.array(deadNotification), total: z.int() }),
  ),
  alertRetry: endpoint(
    "bioxen.cmd.alert.retry",
    "monitor",
    "Deliver dead letters of one rule again: one of them, or all.",
    z.strictObject({ ruleId: id, notificationId: z.string().min(1).max(127).optional() }),
    z.object({ changed: z.boolean(), retried: z.int() }),
  ),
} as const;
