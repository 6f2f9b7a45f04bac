import {
  type AlertEvent,
  type AlertRule,
  DEFAULT_ALERT_RULES,
  MAX_ACTIVE_ALERTS_PER_RULE,
  MAX_ALERT_RULES,
} from "@bioxen/contracts";
import { deciderLaws, given } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { type AlertCommand, alertDecider } from "./alert.ts";

const RULE: AlertRule = {
  metric: "vm.health",
  above: null,
  below: 50,
  forMs: 0,
  clearMarginPermille: 0,
  severity: "warning",
  scope: { vmId: null, chassisId: null, label: null },
};
/** The id of a default rule. */
const DEFAULT_ID = "chassis-suspect";

const setRule = (rule: AlertRule, otherRules = 0) =>
  ({ type: "set-rule", ruleId: "r", rule, otherRules }) as const;
const removeRule = { type: "remove-rule", ruleId: "r" } as const;
const raise = (target: string, ruleId = "r") =>
  ({ type: "raise", ruleId, breach: { target, value: 40, sinceMs: 500 } }) as const;
const clear = (target: string): AlertCommand => ({ type: "clear", target, value: 60, code: "RECOVERED" });
const record = (notificationId: string, webhooks: readonly string[]) =>
  ({
    type: "record-deliveries",
    results: new Map([
      [notificationId, webhooks.map((webhook) => ({ webhook, attempts: 6, reason: "HTTP 503" }))],
    ]),
  }) as const;
const retry = (notificationId?: string) => ({ type: "retry", ruleId: "r", notificationId }) as const;

const ruleSet: AlertEvent = { type: "bioxen.alert.rule-set.v1", data: RULE };
const raised = (target: string): AlertEvent => ({
  type: "bioxen.alert.raised.v1",
  data: { target, metric: "vm.health", severity: "warning", value: 40, sinceMs: 500 },
});
/** The notification of the second event has the id of that event. */
const NOTIFICATION = "e2";
const undelivered: AlertEvent = {
  type: "bioxen.alert.notified.v1",
  data: {
    notifications: [
      {
        notificationId: NOTIFICATION,
        undelivered: [{ webhook: "ops", attempts: 6, reason: "HTTP 503" }],
      },
    ],
  },
};

describe("a rule", () => {
  it("is set when it differs, up to the limit of rules", () => {
    given(alertDecider)
      .when(setRule(RULE, MAX_ALERT_RULES))
      .thenRejected("TOO_LARGE", { details: { limit: MAX_ALERT_RULES, rules: MAX_ALERT_RULES } })
      .when(setRule(RULE))
      .thenAppended(ruleSet)
      .when(setRule(RULE))
      .thenUnchanged()
      .when(setRule({ ...RULE, below: 60 }, MAX_ALERT_RULES))
      .thenAppended("bioxen.alert.rule-set.v1");
  });

  it("that is removed ends its alerts, and stays removed", () => {
    given(alertDecider, ruleSet, raised("b"), raised("a"))
      .when(removeRule)
      .thenAppended({ type: "bioxen.alert.rule-removed.v1", data: { targets: ["a", "b"] } })
      .when(removeRule)
      .thenUnchanged();
    given(alertDecider).when(removeRule).thenRejected("ALERT_RULE_NOT_FOUND");
  });

  it("by default is in force without an event, until it is removed", () => {
    const rule = DEFAULT_ALERT_RULES[DEFAULT_ID] as AlertRule;
    given(alertDecider)
      .when({ ...setRule(rule), ruleId: DEFAULT_ID })
      .thenUnchanged()
      .when({ type: "remove-rule", ruleId: DEFAULT_ID })
      .thenAppended("bioxen.alert.rule-removed.v1")
      .when(raise("c", DEFAULT_ID))
      .thenUnchanged();
  });
});

describe("an alert", () => {
  it("is raised once and cleared once per target", () => {
    given(alertDecider, ruleSet)
      .when(clear("a"))
      .thenUnchanged()
      .when(raise("a"))
      .thenAppended(raised("a"))
      .when(raise("a"))
      .thenUnchanged()
      .when(clear("a"))
      .thenAppended("bioxen.alert.cleared.v1")
      .when(clear("a"))
      .thenUnchanged();
  });

  it("under a default rule is raised after the rule was set", () => {
    given(alertDecider)
      .when(raise("c", DEFAULT_ID))
      .thenAppended("bioxen.alert.rule-set.v1")
      .when(raise("c", DEFAULT_ID))
      .thenAppended("bioxen.alert.raised.v1");
  });

  it("waits while its rule has as many alerts as it may have", () => {
    const targets = Array.from({ length: MAX_ACTIVE_ALERTS_PER_RULE }, (_, i) => `t${i}`);
    given(alertDecider, ruleSet, ...targets.map(raised))
      .when(raise("one-more"))
      .thenUnchanged()
      .when(clear("t0"))
      .thenAppended("bioxen.alert.cleared.v1")
      .when(raise("one-more"))
      .thenAppended("bioxen.alert.raised.v1");
  });
});

describe("a notification", () => {
  it("is recorded once, and a webhook that did not take it leaves a dead letter", () => {
    const notified = given(alertDecider, ruleSet, raised("a"))
      .when(record("unknown", []))
      .thenUnchanged()
      .when(record(NOTIFICATION, ["ops"]))
      .thenAppended(undelivered);
    expect(notified.state.dead).toMatchObject([{ notificationId: NOTIFICATION, webhook: "ops" }]);
    notified.when(record(NOTIFICATION, ["ops"])).thenUnchanged();
  });

  it("is sent again from its dead letter, once", () => {
    given(alertDecider, ruleSet, raised("a"), undelivered)
      .when(retry(NOTIFICATION))
      .thenAppended({
        type: "bioxen.alert.retry-requested.v1",
        data: { letters: [{ notificationId: NOTIFICATION, webhook: "ops" }] },
      })
      .when(retry(NOTIFICATION))
      .thenUnchanged()
      .when(retry())
      .thenUnchanged()
      .when(retry("unknown"))
      .thenRejected("JOB_NOT_FOUND");
  });
});

deciderLaws("an alert rule", alertDecider, {
  cases: [
    { events: [], command: setRule(RULE) },
    { events: [ruleSet], command: setRule({ ...RULE, below: 60 }) },
    { events: [ruleSet, raised("a")], command: removeRule },
    { events: [], command: removeRule },
    { events: [ruleSet], command: raise("a") },
    { events: [], command: raise("c", DEFAULT_ID) },
    { events: [ruleSet, raised("a")], command: clear("a") },
    { events: [ruleSet, raised("a")], command: record(NOTIFICATION, ["ops"]) },
    { events: [ruleSet, raised("a"), undelivered], command: retry(NOTIFICATION) },
    { events: [ruleSet, raised("a"), undelivered], command: retry() },
    { events: [ruleSet, raised("a"), undelivered], command: retry("unknown") },
  ],
  repeats: [
    {
      type: "raise",
      reason: "Under a default rule the first decision sets the rule, and the second raises the alert.",
      when: (command) => command.type === "raise" && command.ruleId === DEFAULT_ID,
    },
  ],
});
