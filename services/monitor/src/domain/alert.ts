/**
 * What may happen to an alert rule and its alerts: set, removed, raised and cleared once per target, told.
 *
 * Whether an alert is due is for the evaluator to say; here stands only that it happens once. A default rule that nobody
 * touched is not in the log: it is set there before the first alert under it is raised.
 */
import {
  type AlertEvent,
  type AlertRule,
  type AlertState,
  type ClearingCode,
  DEFAULT_ALERT_RULES,
  MAX_ACTIVE_ALERTS_PER_RULE,
  MAX_ALERT_RULES,
  refuse,
} from "@bioxen/contracts";
import { accept, type Decision, UNCHANGED } from "@bioxen/kernel";

export type AlertDecision = Decision<AlertEvent>;

/** The rule that counts under this name: what was set, else the default unless that was removed. */
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

/** `others`: how many rules there are beside this one. */
export function decideSetRule(
  ruleId: string,
  state: AlertState,
  rule: AlertRule,
  others: number,
): AlertDecision {
  const before = effectiveRule(ruleId, state);
  if (before !== null && equalRules(before, rule)) return UNCHANGED;
  if (before === null && others >= MAX_ALERT_RULES) {
    return refuse("TOO_LARGE", `there are ${others} alert rules: remove one first`, {
      details: { limit: MAX_ALERT_RULES, rules: others },
    });
  }
  return accept<AlertEvent>({ type: "bioxen.alert.rule-set.v1", data: rule });
}

export function decideRemoveRule(ruleId: string, state: AlertState): AlertDecision {
  if (effectiveRule(ruleId, state) === null) {
    return state.removed ? UNCHANGED : refuse("ALERT_RULE_NOT_FOUND", `there is no alert rule ${ruleId}`);
  }
  return accept<AlertEvent>({
    type: "bioxen.alert.rule-removed.v1",
    data: { targets: Object.keys(state.active).sort() },
  });
}

export interface Breach {
  readonly target: string;
  readonly value: number;
  readonly sinceMs: number;
}

/** Sets a default rule first; the alert follows with the next decision. */
export function decideRaise(
  ruleId: string,
  state: AlertState,
  { target, value, sinceMs }: Breach,
): AlertDecision {
  const rule = effectiveRule(ruleId, state);
  if (rule === null || state.active[target] !== undefined) return UNCHANGED;
  if (state.rule === null) return accept<AlertEvent>({ type: "bioxen.alert.rule-set.v1", data: rule });
  if (isFull(state)) return UNCHANGED;
  const { metric, severity } = rule;
  return accept<AlertEvent>({
    type: "bioxen.alert.raised.v1",
    data: { target, metric, severity, value, sinceMs },
  });
}

/** No alert more has room under this rule. */
export function isFull(state: AlertState): boolean {
  return Object.keys(state.active).length >= MAX_ACTIVE_ALERTS_PER_RULE;
}

export function decideClear(
  state: AlertState,
  target: string,
  value: number | null,
  code: ClearingCode,
): AlertDecision {
  if (state.active[target] === undefined) return UNCHANGED;
  return accept<AlertEvent>({ type: "bioxen.alert.cleared.v1", data: { target, value, code } });
}

export interface Undelivered {
  readonly webhook: string;
  readonly attempts: number;
  readonly reason: string;
}

/** Of these notifications those that are still owed: each was told to everybody but the webhooks named. */
export function decideNotified(
  state: AlertState,
  results: ReadonlyMap<string, readonly Undelivered[]>,
): AlertDecision {
  const owed = new Set(state.owed.map((one) => one.notificationId));
  const notifications = [...results].flatMap(([notificationId, undelivered]) =>
    owed.has(notificationId) ? [{ notificationId, undelivered: [...undelivered] }] : [],
  );
  if (notifications.length === 0) return UNCHANGED;
  return accept<AlertEvent>({ type: "bioxen.alert.notified.v1", data: { notifications } });
}

/** `notificationId` absent: all dead letters of the rule. */
export function decideRetry(ruleId: string, state: AlertState, notificationId?: string): AlertDecision {
  const letters = state.dead.flatMap((letter) =>
    notificationId === undefined || letter.notificationId === notificationId
      ? [{ notificationId: letter.notificationId, webhook: letter.webhook }]
      : [],
  );
  if (letters.length > 0)
    return accept<AlertEvent>({ type: "bioxen.alert.retry-requested.v1", data: { letters } });
  if (notificationId === undefined) return UNCHANGED;
  // Sent twice: it is on its way again already.
  if (state.owed.some((one) => one.notificationId === notificationId)) return UNCHANGED;
  return refuse("JOB_NOT_FOUND", `rule ${ruleId} has no dead letter ${notificationId}`);
}
