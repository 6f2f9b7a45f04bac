/**
 * Decider of an alert rule and its alerts: set and removed by command, raised and cleared once per target, and
 * notified.
 *
 * The evaluator decides whether an alert is due; this decider only ensures that each alert is raised and cleared once.
 * A default rule that was never changed is not in the log. Before its first alert is raised, a `rule-set` event records
 * the rule.
 */
import {
  type AlertEvent,
  type AlertRule,
  type AlertState,
  alertFold,
  type ClearingCode,
  DEFAULT_ALERT_RULES,
  MAX_ACTIVE_ALERTS_PER_RULE,
  MAX_ALERT_RULES,
  refuse,
} from "@bioxen/contracts";
import { accept, deciderOf, UNCHANGED } from "@bioxen/kernel";

export interface Breach {
  readonly target: string;
  readonly value: number;
  /** Instant from which the value has been beyond the threshold, epoch ms. */
  readonly sinceMs: number;
}

/** A webhook that did not take a notification, with its last answer. */
export interface Undelivered {
  readonly webhook: string;
  readonly attempts: number;
  readonly reason: string;
}

export type AlertCommand =
  /** `otherRules` is the number of rules besides this one. */
  | {
      readonly type: "set-rule";
      readonly ruleId: string;
      readonly rule: AlertRule;
      readonly otherRules: number;
    }
  | { readonly type: "remove-rule"; readonly ruleId: string }
  | { readonly type: "raise"; readonly ruleId: string; readonly breach: Breach }
  | {
      readonly type: "clear";
      readonly target: string;
      readonly value: number | null;
      readonly code: ClearingCode;
    }
  /** `results` has, by notification id, the webhooks that did not take the notification; all other webhooks took it. */
  | { readonly type: "record-deliveries"; readonly results: ReadonlyMap<string, readonly Undelivered[]> }
  /** Without `notificationId`, all dead letters of the rule are sent again. */
  | { readonly type: "retry"; readonly ruleId: string; readonly notificationId: string | undefined };

export const alertDecider = deciderOf<AlertState, AlertCommand, AlertEvent>(alertFold, {
  "set-rule"(state, { ruleId, rule, otherRules }) {
    const before = effectiveRule(ruleId, state);
    if (before !== null && equalRules(before, rule)) return UNCHANGED;
    if (before === null && otherRules >= MAX_ALERT_RULES) {
      return refuse("TOO_LARGE", `alert rule limit reached (${MAX_ALERT_RULES}): remove a rule first`, {
        details: { limit: MAX_ALERT_RULES, rules: otherRules },
      });
    }
    return accept<AlertEvent>({ type: "bioxen.alert.rule-set.v1", data: rule });
  },

  "remove-rule"(state, { ruleId }) {
    if (effectiveRule(ruleId, state) === null) {
      return state.removed ? UNCHANGED : refuse("ALERT_RULE_NOT_FOUND", `there is no alert rule ${ruleId}`);
    }
    const targets = Object.keys(state.active).sort();
    return accept<AlertEvent>({ type: "bioxen.alert.rule-removed.v1", data: { targets } });
  },

  // A default rule is set first; the alert follows with the next decision.
  raise(state, { ruleId, breach: { target, value, sinceMs } }) {
    const rule = effectiveRule(ruleId, state);
    if (rule === null || state.active[target] !== undefined) return UNCHANGED;
    if (state.rule === null) return accept<AlertEvent>({ type: "bioxen.alert.rule-set.v1", data: rule });
    if (isFull(state)) return UNCHANGED;
    const { metric, severity } = rule;
    const data = { target, metric, severity, value, sinceMs };
    return accept<AlertEvent>({ type: "bioxen.alert.raised.v1", data });
  },

  clear(state, { target, value, code }) {
    if (state.active[target] === undefined) return UNCHANGED;
    return accept<AlertEvent>({ type: "bioxen.alert.cleared.v1", data: { target, value, code } });
  },

  "record-deliveries"(state, { results }) {
    const owed = new Set(state.owed.map(({ notificationId }) => notificationId));
    const notifications = [...results].flatMap(([notificationId, undelivered]) =>
      owed.has(notificationId) ? [{ notificationId, undelivered: [...undelivered] }] : [],
    );
    if (notifications.length === 0) return UNCHANGED;
    return accept<AlertEvent>({ type: "bioxen.alert.notified.v1", data: { notifications } });
  },

  retry(state, { ruleId, notificationId }) {
    const letters = state.dead.flatMap((letter) =>
      notificationId === undefined || letter.notificationId === notificationId
        ? [{ notificationId: letter.notificationId, webhook: letter.webhook }]
        : [],
    );
    if (letters.length > 0)
      return accept<AlertEvent>({ type: "bioxen.alert.retry-requested.v1", data: { letters } });
    if (notificationId === undefined) return UNCHANGED;
    // The command was sent twice: its first copy has already queued the notification again.
    if (state.owed.some((one) => one.notificationId === notificationId)) return UNCHANGED;
    return refuse("JOB_NOT_FOUND", `rule ${ruleId} has no dead letter ${notificationId}`);
  },
});

/** Returns the rule in force under this id: the one that was set, else the default rule unless it was removed. */
export function effectiveRule(ruleId: string, state: AlertState): AlertRule | null {
  if (state.rule !== null || state.removed) return state.rule;
  return DEFAULT_ALERT_RULES[ruleId] ?? null;
}

export function isDefaultRule(ruleId: string, state: AlertState): boolean {
  const byDefault = DEFAULT_ALERT_RULES[ruleId];
  if (byDefault === undefined || state.removed) return false;
  return state.rule === null || equalRules(state.rule, byDefault);
}

export function equalRules(a: AlertRule, b: AlertRule): boolean {
  return (
    a.metric === b.metric &&
    a.above === b.above &&
    a.below === b.below &&
    a.forMs === b.forMs &&
    a.clearMarginPermille === b.clearMarginPermille &&
    a.severity === b.severity &&
    a.scope.vmId === b.scope.vmId &&
    a.scope.chassisId === b.scope.chassisId &&
    a.scope.label === b.scope.label
  );
}

/** Returns true when the rule has as many active alerts as it may have; further targets wait until one is cleared. */
export function isFull(state: AlertState): boolean {
  return Object.keys(state.active).length >= MAX_ACTIVE_ALERTS_PER_RULE;
}
