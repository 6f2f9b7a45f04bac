/**
 * The language of alerts: what can be watched, what a rule says, and what its deliverers are told.
 *
 * A rule compares one metric of every target in its scope with one threshold. Thresholds and values are integers, as everything
 * in the log is. The rules that are there unless somebody changed them are in `default-alert-rules.ts`.
 */
import { ID_PATTERN } from "@bioxen/kernel";
import { z } from "zod";
import { id, labelKey, labelValue } from "./schemas.ts";

export const ALERT_SEVERITIES = ["info", "warning", "critical"] as const;
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number];

/** What a target of a metric is. `service`: the name of a service, all its instances together. */
export type AlertTargetKind = "vm" | "chassis" | "service";

export interface AlertMetric {
  readonly of: AlertTargetKind;
  readonly unit: string;
  readonly meaning: string;
}

export const ALERT_METRICS = {
  "vm.health": {
    of: "vm",
    unit: "0 to 100",
    meaning: "how far it grows as its type does at full demand, less for what its host owes it",
  },
  "vm.growthPermille": { of: "vm", unit: "‰", meaning: "growth rate, of its type's reference rate" },
  "vm.pendingMs": {
    of: "vm",
    unit: "ms",
    meaning: "since when it waits for a place or for its guest, else 0",
  },
  "vm.lagMs": { of: "vm", unit: "ms", meaning: "simulated time its host owes it" },
  "chassis.reservedPermille": { of: "chassis", unit: "‰", meaning: "of its offer, of the fullest resource" },
  "chassis.heartbeatAgeMs": { of: "chassis", unit: "ms", meaning: "since its agent was last heard of" },
  "telemetry.lostPermille": {
    of: "chassis",
    unit: "‰",
    meaning: "samples of it and of its VMs that never arrived, in the last minute",
  },
  "log.lagEvents": {
    of: "service",
    unit: "events",
    meaning: "stored and not applied yet by its slowest instance; an agent counts as `chassis-agent`",
  },
} as const satisfies Record<string, AlertMetric>;
export type AlertMetricName = keyof typeof ALERT_METRICS;
export const ALERT_METRIC_NAMES = Object.keys(ALERT_METRICS) as readonly AlertMetricName[];

/** Longest hold time, ms: a day. What is right for longer is a report, not an alert. */
const MAX_FOR_MS = 86_400_000;
/** Largest threshold: the metrics with the largest values are times and counts, and a year has 3·10^10 ms. */
const MAX_THRESHOLD = 1_000_000_000_000;
/** Rules at once: twice what the largest installation is tried with, and their list fits one reply. */
export const MAX_ALERT_RULES = 2_000;
/**
 * Alerts of one rule at once: a fleet of 2 000 VMs that all have the same trouble, and the state of one rule stays under
 * 300 KB. Further targets are raised when one of these is cleared.
 */
export const MAX_ACTIVE_ALERTS_PER_RULE = 2_500;

const threshold = z.int().min(0).max(MAX_THRESHOLD);
const label = z
  .string()
  .refine((text) => labelOf(text) !== undefined, "must be a label's name, or name=value")
  .max(127);

/** `name` or `name=value`. */
function labelOf(text: string): { readonly name: string; readonly value: string | undefined } | undefined {
  const split = text.indexOf("=");
  const name = split < 0 ? text : text.slice(0, split);
  const value = split < 0 ? undefined : text.slice(split + 1);
  const sound =
    labelKey.safeParse(name).success && (value === undefined || labelValue.safeParse(value).success);
  return sound ? { name, value } : undefined;
}

/** True when `labels` have what a scope's `label` asks for. */
export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const asked = labelOf(wanted);
  if (asked === undefined) return false;
  const value = labels[asked.name];
  return value !== undefined && (asked.value === undefined || asked.value === value);
}

/** Only targets that meet all of it; of a VM, `chassisId` is where it is. */
export const alertScope = z.strictObject({
  vmId: id.optional(),
  chassisId: id.optional(),
  label: label.optional(),
});

export const alertRuleRequest = z
  .strictObject({
    ruleId: id,
    metric: z.enum(ALERT_METRIC_NAMES as readonly [AlertMetricName, ...AlertMetricName[]]),
    /** Raised while the value is above it. */
    above: threshold.optional(),
    /** Raised while the value is below it. */
    below: threshold.optional(),
    /** The value must be beyond the threshold this long without a break, ms. */
    forMs: z.int().min(0).max(MAX_FOR_MS).default(0),
    /** The value must come back past the threshold by this share of it before the alert is cleared. */
    clearMarginPermille: z.int().min(0).max(1_000).default(0),
    severity: z.enum(ALERT_SEVERITIES),
    scope: alertScope.default({}),
  })
  .superRefine((rule, context) => {
    const problem = (path: string[], message: string) => context.addIssue({ code: "custom", path, message });
    if ((rule.above === undefined) === (rule.below === undefined)) {
      problem(["above"], "must be given, or `below`: exactly one of them");
    }
    const kind = ALERT_METRICS[rule.metric].of;
    const outside = {
      vm: [],
      chassis: ["vmId"],
      service: ["vmId", "chassisId", "label"],
    } as const satisfies Record<AlertTargetKind, readonly (keyof typeof rule.scope)[]>;
    for (const name of outside[kind]) {
      if (rule.scope[name] !== undefined) problem(["scope", name], `says nothing about a ${kind}`);
    }
  });

/** A rule as it is recorded: `null` where nothing was said. */
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

/** The rule of a request, to be recorded. */
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
    /** It is one of those that are there unless somebody changes them, and nobody has. */
    isDefault: z.boolean(),
  })
  .meta({ id: "AlertRuleView" });
export type AlertRuleView = z.infer<typeof alertRuleView>;

export function viewOfRule(ruleId: string, rule: AlertRule, isDefault: boolean): AlertRuleView {
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
  };
}

export const activeAlert = z
  .object({
    ruleId: z.string(),
    /** Id of the VM or chassis, or the name of the service. */
    target: z.string(),
    /** Since when the value has been beyond the threshold. */
    sinceMs: z.int(),
    /** What it was when the alert was raised. */
    value: z.int(),
    raisedAtMs: z.int(),
    metric: z.string(),
    severity: z.enum(ALERT_SEVERITIES),
  })
  .meta({ id: "ActiveAlert" });
export type ActiveAlertView = z.infer<typeof activeAlert>;

/** Why an alert ended. `TARGET_GONE`: what it was about is no more, or the rule no longer speaks of it. */
export const CLEARING_CODES = ["RECOVERED", "TARGET_GONE", "RULE_REMOVED"] as const;
export type ClearingCode = (typeof CLEARING_CODES)[number];

/**
 * What deliverers are told: published on `bioxen.alert.<severity>.<ruleId>`, posted to webhooks. At least once each, under one
 * `notificationId`; the event in the log is the record.
 */
export const alertNotification = z
  .object({
    notificationId: z.string(),
    ruleId: z.string(),
    state: z.enum(["raised", "cleared"]),
    severity: z.enum(ALERT_SEVERITIES),
    metric: z.string(),
    target: z.string(),
    /** null: it was cleared because the target has none any more. */
    value: z.int().nullable(),
    sinceMs: z.int(),
    /** When it was raised or cleared. */
    atMs: z.int(),
    /** Why it was cleared; null of a raised one. */
    code: z.enum(CLEARING_CODES).nullable(),
  })
  .meta({ id: "AlertNotification" });
export type AlertNotification = z.infer<typeof alertNotification>;

/** A notification that a webhook never took. */
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

/** Names of webhooks are ids: they stand in events and on command lines. */
export function isWebhookName(text: string): boolean {
  return ID_PATTERN.test(text);
}
