/**
 * The language of alerts: the metrics, the rules over them, and the notifications that deliverers get.
 *
 * A rule compares one metric of every target in its scope with one threshold. Thresholds and values are integers, like
 * every number in the log. The default rules are in `default-alert-rules.ts`.
 */
import { ID_PATTERN } from "@bioxen/kernel";
import * as z from "zod";
import { expectedVersion, id, labelKey, labelValue, refuseSecretValue } from "./schemas.ts";

export const ALERT_SEVERITIES = ["info", "warning", "critical"] as const;
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number];

/**
 * The kind of target that a metric measures. A `service` target stands for all instances of one service. The only `log`
 * target is {@link LOG_TARGET}.
 */
export type AlertTargetKind = "vm" | "chassis" | "service" | "log";
export const LOG_TARGET = "log";

export interface AlertMetric {
  readonly of: AlertTargetKind;
  readonly unit: string;
  readonly meaning: string;
}

export const ALERT_METRICS = {
  "vm.health": {
    of: "vm",
    unit: "0 to 100",
    meaning:
      "growth relative to its type at full demand, reduced by the simulated time that its host is behind; of a machine: 100, or 50 while its memory is nearly full",
  },
  "vm.growthPermille": {
    of: "vm",
    unit: "‰",
    meaning: "growth rate relative to its type's reference rate; machines do not grow and have no value",
  },
  "vm.memoryPermille": {
    of: "vm",
    unit: "‰",
    meaning: "used share of the memory of a machine with guest tools; cells have no value",
  },
  "vm.unmeasured": {
    of: "vm",
    unit: "0 or 1",
    meaning: "1 while the pool of a machine does not measure it; cells have no value",
  },
  "vm.pendingMs": {
    of: "vm",
    unit: "ms",
    meaning: "how long it has waited for a place or for its guest; 0 when it does not wait",
  },
  "vm.lagMs": { of: "vm", unit: "ms", meaning: "simulated time by which its host is behind" },
  "chassis.reservedPermille": {
    of: "chassis",
    unit: "‰",
    meaning: "reserved share of its offer, of the fullest resource",
  },
  "chassis.heartbeatAgeMs": {
    of: "chassis",
    unit: "ms",
    meaning: "time since the last heartbeat of its agent",
  },
  "chassis.rivals": {
    of: "chassis",
    unit: "processes",
    meaning:
      "processes that want to run the chassis in addition to the one that does: a second process with the id of its agent, or another agent",
  },
  "chassis.orphans": {
    of: "chassis",
    unit: "machines",
    meaning:
      "machines in its pool that a BioXen made and that do not belong to its agent; 0 for other chassis",
  },
  "chassis.leftBehind": {
    of: "chassis",
    unit: "objects",
    meaning:
      "machines, snapshots and disks that its agent was to remove from the pool and no longer tries to remove; 0 for other chassis",
  },
  "telemetry.lostPermille": {
    of: "chassis",
    unit: "‰",
    meaning: "share of the samples of the chassis and its VMs that never arrived, in the last minute",
  },
  "log.lagEvents": {
    of: "service",
    unit: "events",
    meaning:
      "stored events that its slowest instance has not applied yet; an agent counts as `chassis-agent`",
  },
  "log.unreadable": {
    of: "log",
    unit: "messages",
    meaning: "messages of the log that a service cannot read and that are not skipped",
  },
  "log.foreignStreams": {
    of: "log",
    unit: "streams",
    meaning: "streams of other owners that store and acknowledge the requests of this BioXen",
  },
  "log.missingCopies": {
    of: "log",
    unit: "copies",
    meaning: "copies that the streams should have and do not, of the stream that lacks most",
  },
} as const satisfies Record<string, AlertMetric>;
export type AlertMetricName = keyof typeof ALERT_METRICS;
export const ALERT_METRIC_NAMES = Object.keys(ALERT_METRICS) as readonly AlertMetricName[];

/** Longest hold time of a rule, ms: one day. A condition that may last longer belongs in a report, not in an alert. */
const MAX_FOR_MS = 86_400_000;
/**
 * Largest threshold, in the unit of its metric. The metrics with the largest values are times and counts; one year is
 * 3·10^10 ms.
 */
const MAX_THRESHOLD = 1_000_000_000_000;
/**
 * Maximum number of rules that exist at a time. The largest tested installation has half as many, and the list of all
 * rules fits into one reply.
 */
export const MAX_ALERT_RULES = 2_000;
/**
 * Maximum number of active alerts of one rule: enough for a fleet of 2 000 VMs that all have the same trouble, while
 * the state of the rule stays under 300 KB. When the maximum is reached, a further alert is raised only after one of
 * the active alerts is cleared.
 */
export const MAX_ACTIVE_ALERTS_PER_RULE = 2_500;

const threshold = z.int().min(0).max(MAX_THRESHOLD);
const label = z
  .string()
  .refine((text) => labelOf(text) !== undefined, "must be the name of a label, or name=value")
  .max(127)
  .superRefine((text, context) => {
    const { name = "", value } = labelOf(text) ?? {};
    refuseSecretValue(name, value, context);
  });

/** Parses a label given as `name` or `name=value`; returns undefined when the text is neither. */
function labelOf(text: string): { readonly name: string; readonly value: string | undefined } | undefined {
  const split = text.indexOf("=");
  const name = split < 0 ? text : text.slice(0, split);
  const value = split < 0 ? undefined : text.slice(split + 1);
  const sound =
    labelKey.safeParse(name).success && (value === undefined || labelValue.safeParse(value).success);
  return sound ? { name, value } : undefined;
}

/** Returns true when `labels` contain `wanted`: the label `name` with any value, or exactly `name=value`. */
export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const asked = labelOf(wanted);
  if (asked === undefined) return false;
  const value = labels[asked.name];
  return value !== undefined && (asked.value === undefined || asked.value === value);
}

/** Restricts a rule to the targets that meet every given condition. For a VM, `chassisId` is the chassis it is on. */
export const alertScope = z.strictObject({
  vmId: id.optional(),
  chassisId: id.optional(),
  label: label.optional(),
});

export const alertRuleRequest = z
  .strictObject({
    ruleId: id,
    metric: z.enum(ALERT_METRIC_NAMES as readonly [AlertMetricName, ...AlertMetricName[]]),
    /** The alert is raised while the value is above this threshold. */
    above: threshold.optional(),
    /** The alert is raised while the value is below this threshold. */
    below: threshold.optional(),
    /** Hold time, ms: how long the value must be beyond the threshold without a break. */
    forMs: z.int().min(0).max(MAX_FOR_MS).default(0),
    /**
     * The alert is cleared only when the value is back within the threshold by this margin, in permille of the
     * threshold.
     */
    clearMarginPermille: z.int().min(0).max(1_000).default(0),
    severity: z.enum(ALERT_SEVERITIES),
    scope: alertScope.default({}),
    expectedVersion,
  })
  .superRefine((rule, context) => {
    const problem = (path: string[], message: string) => context.addIssue({ code: "custom", path, message });
    if ((rule.above === undefined) === (rule.below === undefined)) {
      problem(["above"], "give exactly one of `above` and `below`");
    }
    const kind = ALERT_METRICS[rule.metric].of;
    const outside = {
      vm: [],
      chassis: ["vmId"],
      service: ["vmId", "chassisId", "label"],
      log: ["vmId", "chassisId", "label"],
    } as const satisfies Record<AlertTargetKind, readonly (keyof typeof rule.scope)[]>;
    for (const name of outside[kind]) {
      if (rule.scope[name] !== undefined)
        problem(["scope", name], `does not apply to a metric of a ${kind}: remove it`);
    }
  });

/** A rule as an event records it, with null for each field that the request left out. */
export const recordedAlertRule = z.object({
  metric: z.string(),
  above: z.int().nullable(),
  below: z.int().nullable(),
  forMs: z.int(),
  clearMarginPermille: z.int(),
  severity: z.enum(ALERT_SEVERITIES),
  scope: z.object({
    vmId: z.string().nullable(),
    chassisId: z.string().nullable(),
    label: z.string().nullable(),
  }),
});
export type AlertRule = z.infer<typeof recordedAlertRule>;

/** Returns the rule of a request, in the form that an event records. */
export function ruleOf(request: z.output<typeof alertRuleRequest>): AlertRule {
  const { metric, above = null, below = null, forMs, clearMarginPermille, severity, scope } = request;
  const { vmId = null, chassisId = null, label: wanted = null } = scope;
  return {
    metric,
    above,
    below,
    forMs,
    clearMarginPermille,
    severity,
    scope: { vmId, chassisId, label: wanted },
  };
}

export const alertRuleView = z
  .object({
    ruleId: z.string(),
    metric: z.string(),
    above: z.int().optional(),
    below: z.int().optional(),
    forMs: z.int(),
    clearMarginPermille: z.int(),
    severity: z.enum(ALERT_SEVERITIES),
    scope: z.object({
      vmId: z.string().optional(),
      chassisId: z.string().optional(),
      label: z.string().optional(),
    }),
    /** True for a default rule that was never changed. */
    isDefault: z.boolean(),
    /** Version of the rule when it was last set; 0 for a default rule that was never set. Alerts do not change it. */
    version: z.int(),
  })
  .meta({ id: "AlertRuleView" });
export type AlertRuleView = z.infer<typeof alertRuleView>;

export function viewOfRule(
  ruleId: string,
  rule: AlertRule,
  { isDefault, version }: Pick<AlertRuleView, "isDefault" | "version">,
): AlertRuleView {
  const { above, below, scope, ...rest } = rule;
  const { vmId, chassisId, label: wanted } = scope;
  return {
    ruleId,
    ...rest,
    ...(above === null ? {} : { above }),
    ...(below === null ? {} : { below }),
    scope: {
      ...(vmId === null ? {} : { vmId }),
      ...(chassisId === null ? {} : { chassisId }),
      ...(wanted === null ? {} : { label: wanted }),
    },
    isDefault,
    version,
  };
}

export const activeAlert = z
  .object({
    ruleId: z.string(),
    /** Id of the VM or chassis, or the name of the service. */
    target: z.string(),
    /** When the value went beyond the threshold, epoch ms. */
    sinceMs: z.int(),
    /** The value when the alert was raised. */
    value: z.int(),
    raisedAtMs: z.int(),
    metric: z.string(),
    severity: z.enum(ALERT_SEVERITIES),
  })
  .meta({ id: "ActiveAlert" });
export type ActiveAlertView = z.infer<typeof activeAlert>;

/** Why an alert ended. `TARGET_GONE`: the target no longer exists, or is no longer in the scope of the rule. */
export const CLEARING_CODES = ["RECOVERED", "TARGET_GONE", "RULE_REMOVED"] as const;
export type ClearingCode = (typeof CLEARING_CODES)[number];

/**
 * The notification that deliverers get: published on `bioxen.alert.<severity>.<ruleId>` and posted to webhooks.
 * Delivery is at least once, always with the same `notificationId`. The authoritative record of the alert is the event
 * in the log.
 */
export const alertNotification = z
  .object({
    notificationId: z.string(),
    ruleId: z.string(),
    state: z.enum(["raised", "cleared"]),
    severity: z.enum(ALERT_SEVERITIES),
    metric: z.string(),
    target: z.string(),
    /** null when the alert was cleared because the target no longer has a value. */
    value: z.int().nullable(),
    sinceMs: z.int(),
    /** When the alert was raised or cleared, epoch ms. */
    atMs: z.int(),
    /** Why the alert was cleared; null when it was raised. */
    code: z.enum(CLEARING_CODES).nullable(),
  })
  .meta({ id: "AlertNotification" });
export type AlertNotification = z.infer<typeof alertNotification>;

/** A dead letter: a notification that could not be delivered to a webhook. */
export const deadNotification = z
  .object({
    ...alertNotification.shape,
    webhook: z.string(),
    attempts: z.int(),
    reason: z.string(),
    diedAtMs: z.int(),
  })
  .meta({ id: "DeadNotification" });
export type DeadNotification = z.infer<typeof deadNotification>;

/** Webhook names have the form of ids, because events and command lines contain them. */
export function isWebhookName(text: string): boolean {
  return ID_PATTERN.test(text);
}
