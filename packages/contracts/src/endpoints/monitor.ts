/**
 * What the monitor is asked: measurements, and the alerts it raises on them.
 */
import { z } from "zod";
import { activeAlert, alertRuleRequest, alertRuleView, deadNotification } from "../alerts.ts";
import { id, MAX_PAGE } from "../schemas.ts";
import { chassisSample, serviceSample, vmSample } from "../telemetry.ts";
import { endpoint } from "./endpoint.ts";

const resourceUse = z.object({
  capacity: z.number(),
  offered: z.number(),
  reserved: z.number(),
  permille: z.number(),
});
const utilisation = z.record(z.string(), resourceUse);
/**
 * Why a VM is not as well as it could be. `starved`: it may use less of something than its type needs; `stalled`: it does not grow;
 * `lagging`: its host owes it time; `slow`: it grows slowly on all it needs, as in a poor medium.
 */
export const HEALTH_CODES = ["starved", "stalled", "lagging", "slow"] as const;
/** VMs by such a reason. */
const impaired = z.record(z.string(), z.int());
/** Samples that arrived, and that never did, since the monitor began. */
const loss = z.object({ received: z.int(), lost: z.int() });
/** The fleet at an instant, or the mean over a span. */
const fleetPoint = z.object({
  atMs: z.int(),
  vmsRunning: z.number(),
  vmsPending: z.number(),
  vmsImpaired: z.number(),
  health: z.number().nullable(),
  fairness: z.number().nullable(),
  growthLowestPermille: z.number().nullable(),
  oldestWaitMs: z.number(),
  alertsActive: z.number(),
  telemetryLostPermille: z.number().nullable(),
  reservedPermille: z.record(z.string(), z.number()),
});
const ruleOnly = z.strictObject({ ruleId: id });
const ruleChanged = z.object({ changed: z.boolean(), rule: alertRuleView.nullable() });

export const MONITOR_ENDPOINTS = {
  monitorVm: endpoint(
    "bioxen.qry.monitor.vm",
    "monitor",
    "The latest telemetry of one VM; null when none was heard since the monitor began.",
    z.strictObject({ vmId: id }),
    z.object({
      sample: vmSample.nullable(),
      ageMs: z.int().nullable(),
      /** 0 to 100; null while nothing is known, or it is paused. */
      health: z.int().nullable(),
      /** Why it is not better. */
      reasons: z.array(z.object({ code: z.enum(HEALTH_CODES), message: z.string() })),
    }),
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
      heartbeatAgeMs: z.int().nullable(),
      impaired,
      telemetry: loss.extend({ lostPermille: z.int().nullable() }),
    }),
  ),
  monitorFleet: endpoint(
    "bioxen.qry.monitor.fleet",
    "monitor",
    "Utilisation per resource over all chassis, Jain's index over granted ÷ requested, health, VMs by state; the samples of at most `limit` VMs in order of id.",
    z.strictObject({ limit: z.int().min(0).max(MAX_PAGE).default(MAX_PAGE) }),
    z.object({
      utilisation,
      fairness: z.number().nullable(),
      health: z.number().nullable(),
      vms: z.record(z.string(), z.int()),
      divisions: z.int(),
      samples: z.array(vmSample),
      impaired,
      waits: z.object({ waiting: z.int(), oldestMs: z.int() }),
      /** Starts since the monitor began; a quantile is the upper end of its bucket. */
      starts: z.object({
        count: z.int(),
        p50Ms: z.number().nullable(),
        p95Ms: z.number().nullable(),
        p99Ms: z.number().nullable(),
        buckets: z.array(z.object({ le: z.string(), count: z.int() })),
      }),
      telemetry: loss,
      services: z.array(serviceSample),
    }),
  ),
  monitorHistory: endpoint(
    "bioxen.qry.monitor.history",
    "monitor",
    "The fleet over time: a point a second for ten minutes, a minute for a day, an hour for a month, means of their span; the oldest first. In memory of the instance that answers, since it began.",
    z.strictObject({
      resolution: z.enum(["1s", "1min", "1h"]).default("1s"),
      sinceMs: z.int().min(0).default(0),
      limit: z.int().min(1).max(MAX_PAGE).default(MAX_PAGE),
    }),
    z.object({ resolution: z.string(), points: z.array(fleetPoint), nextSinceMs: z.int().nullable() }),
  ),
  monitorReport: endpoint(
    "bioxen.qry.monitor.report",
    "monitor",
    "What holds the fleet back, in words: what each finding is about, the numbers behind it, and what helps.",
    z.strictObject({}),
    z.object({
      findings: z.array(
        z.object({
          severity: z.enum(["critical", "warning", "info"]),
          about: z.string(),
          message: z.string(),
          remedy: z.string(),
        }),
      ),
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
