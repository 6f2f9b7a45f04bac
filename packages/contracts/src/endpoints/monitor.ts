/**
 * The endpoints of the monitor: measurements, and the alerts on them.
 */
import * as z from "zod";
import { activeAlert, alertRuleRequest, alertRuleView, deadNotification } from "../alerts.ts";
import { pageRequest, pageResult } from "../pages.ts";
import { expectedVersion, id, MAX_PAGE } from "../schemas.ts";
import { chassisSample, serviceSample, vmSample } from "../telemetry.ts";
import { endpoint, paged } from "./endpoint.ts";

const resourceUse = z.object({
  capacity: z.number(),
  offered: z.number(),
  reserved: z.number(),
  permille: z.number(),
});
const utilisation = z.record(z.string(), resourceUse);
/**
 * Why the health of a VM is reduced. `starved`: the VM grows slowly, and the amount of a resource that it can
 * use is below the full demand of its type. `stalled`: the VM does not grow. `lagging`: its simulated time is behind.
 * `slow`: the VM grows slowly although it has its full demand, for instance in a poor medium. Of a machine: `memory`: its
 * memory is nearly full. `unmeasured`: its pool does not measure it.
 */
export const HEALTH_CODES = ["starved", "stalled", "lagging", "slow", "memory", "unmeasured"] as const;
/** Number of VMs by health code. */
const impaired = z.record(z.string(), z.int());
/** Number of telemetry samples that arrived, and number that were lost, since the monitor started. */
const loss = z.object({ received: z.int(), lost: z.int() });
/** Figures about the fleet: at one instant, or as means over a time span. */
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
/**
 * Maximum number of items of a page; 0 asks for the totals only, and then there is no next page.
 */
const countLimit = z.int().min(0).max(MAX_PAGE).default(MAX_PAGE);
const ruleOnly = z.strictObject({ ruleId: id, expectedVersion });
const ruleChanged = z.object({ changed: z.boolean(), rule: alertRuleView.nullable() });

export const MONITOR_ENDPOINTS = {
  monitorVm: endpoint(
    "bioxen.qry.monitor.vm",
    "monitor",
    "The latest telemetry of one VM; null when none has arrived since the monitor started.",
    z.strictObject({ vmId: id }),
    z.object({
      sample: vmSample.nullable(),
      ageMs: z.int().nullable(),
      /** Health of the VM, 0 to 100; null while no sample is known, the VM is paused, or its machine is not measured. */
      health: z.int().nullable(),
      /** Why the health is below 100. */
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
  monitorFleet: paged(
    endpoint(
      "bioxen.qry.monitor.fleet",
      "monitor",
      "Utilisation per resource over all chassis, Jain's index over granted ÷ requested, health, VMs by state; the samples of at most `limit` VMs in order of id.",
      z.strictObject({ ...pageRequest, limit: countLimit }),
      z.object({
        utilisation,
        fairness: z.number().nullable(),
        health: z.number().nullable(),
        vms: z.record(z.string(), z.int()),
        divisions: z.int(),
        samples: z.array(vmSample),
        impaired,
        waits: z.object({ waiting: z.int(), oldestMs: z.int() }),
        /**
         * VM starts since the monitor started: their number and how long they took. A quantile is the upper bound of its
         * histogram bucket.
         */
        starts: z.object({
          count: z.int(),
          p50Ms: z.number().nullable(),
          p95Ms: z.number().nullable(),
          p99Ms: z.number().nullable(),
          buckets: z.array(z.object({ le: z.string(), count: z.int() })),
        }),
        telemetry: loss,
        services: z.array(serviceSample),
        ...pageResult,
      }),
    ),
    { samples: "items" },
  ),
  monitorHistory: endpoint(
    "bioxen.qry.monitor.history",
    "monitor",
    "The fleet over time, oldest point first: one point per second for ten minutes, per minute for a day, per hour for a month, each the mean of its span. The points are in the memory of the answering instance and begin with its start.",
    z.strictObject({
      resolution: z.enum(["1s", "1min", "1h"]).default("1s"),
      sinceMs: z.int().min(0).default(0),
      limit: z.int().min(1).max(MAX_PAGE).default(MAX_PAGE),
    }),
    z.object({ resolution: z.string(), points: z.array(fleetPoint), nextSinceMs: z.int().nullable() }),
  ),
  monitorReport: paged(
    endpoint(
      "bioxen.qry.monitor.report",
      "monitor",
      "A report in words on the problems of the fleet: the subject of each finding, its figures, and a remedy.",
      z.strictObject(pageRequest),
      z.object({
        findings: z.array(
          z.object({
            severity: z.enum(["critical", "warning", "info"]),
            about: z.string(),
            message: z.string(),
            remedy: z.string(),
          }),
        ),
        ...pageResult,
      }),
    ),
    { findings: "items" },
  ),
  alertSetRule: endpoint(
    "bioxen.cmd.alert.set-rule",
    "monitor",
    "Create or replace an alert rule. Its active alerts stay and are evaluated by the new rule from now on.",
    alertRuleRequest,
    ruleChanged,
  ),
  alertRemoveRule: endpoint(
    "bioxen.cmd.alert.remove-rule",
    "monitor",
    "Remove an alert rule and end its alerts. A default rule stays removed until it is set again.",
    ruleOnly,
    ruleChanged,
  ),
  alertList: paged(
    endpoint(
      "bioxen.qry.alert.list",
      "monitor",
      "All alert rules in order of id, and at most `limit` active alerts, oldest first. `activeTotal` is the number of all active alerts.",
      z.strictObject({ ruleId: id.optional(), ...pageRequest, limit: countLimit }),
      z.object({
        rules: z.array(alertRuleView),
        active: z.array(activeAlert),
        activeTotal: z.int(),
        ...pageResult,
      }),
    ),
    { rules: "items", active: "items" },
  ),
  alertDead: paged(
    endpoint(
      "bioxen.qry.alert.dead",
      "monitor",
      "At most `limit` notifications that could not be delivered to a webhook, oldest first. `total` is the number of all of them.",
      z.strictObject({ ...pageRequest, limit: countLimit }),
      z.object({ dead: z.array(deadNotification), total: z.int(), ...pageResult }),
    ),
    { dead: "items" },
  ),
  alertRetry: endpoint(
    "bioxen.cmd.alert.retry",
    "monitor",
    "Retry the delivery of one dead letter of a rule, or of all of them.",
    z.strictObject({ ruleId: id, notificationId: z.string().min(1).max(127).optional() }),
    z.object({ changed: z.boolean(), retried: z.int() }),
  ),
} as const;
