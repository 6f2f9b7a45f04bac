/**
 * `bioxen alerts …`: raised alerts, their rules, and undelivered notifications.
 */

import {
  type ActiveAlertView,
  ALERT_METRIC_NAMES,
  ALERT_SEVERITIES,
  type AlertRuleView,
  alertRuleRequest,
  type DeadNotification,
  type RequestOf,
} from "@bioxen/contracts";
import type { Command } from "commander";
import { expectedVersionOption, type VersionOptions, versionOf } from "../expected-version.ts";
import { usage } from "../outcome.ts";
import { given, numberOf, oneOf } from "../parse.ts";
import { ago, duration, rounded } from "../quantities.ts";
import { say, sayJson, showReply, withSession } from "../run.ts";
import { type Column, table } from "../table.ts";
import { paint, SEVERITY_COLOURS } from "../terminal.ts";

interface RuleLine extends VersionOptions {
  readonly metric: string;
  readonly above?: number;
  readonly below?: number;
  readonly for?: number;
  readonly margin?: number;
  readonly severity: string;
  readonly vm?: string;
  readonly chassis?: string;
  readonly label?: string;
}

const RULE = alertRuleRequest.shape;

export function addAlertCommands(program: Command): void {
  const alerts = program.command("alerts").description("raised alerts and their rules");
  alerts
    .command("ls")
    .alias("list")
    .description("list raised alerts, oldest first")
    .option("--rule <id>", "only alerts of this rule")
    .action(async (options: { rule?: string }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.ask("alertList", given({ ruleId: options.rule }));
        if (json === true) return sayJson(reply);
        say(activeTable(reply.active));
        if (reply.activeTotal > reply.active.length)
          say(`and ${reply.activeTotal - reply.active.length} more`);
      });
    });
  alerts
    .command("rules")
    .description("list all rules")
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.ask("alertList", {});
        if (json === true) sayJson(reply);
        else say(ruleTable(reply.rules));
      });
    });
  addSet(alerts);
  alerts
    .command("remove <rule>")
    .addOption(expectedVersionOption())
    .description("remove a rule and its raised alerts")
    .action(async (ruleId: string, options: VersionOptions, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.call("alertRemoveRule", { ruleId, ...versionOf(options) });
        showReply(
          reply,
          json === true,
          ({ changed }) => `${ruleId} ${changed ? "is removed" : "was removed already"}`,
        );
      });
    });
  addDeadLetters(alerts);
}

function addSet(alerts: Command): void {
  alerts
    .command("set <rule>")
    .description("create or replace a rule on a metric")
    .addOption(oneOf("--metric <name>", "metric of the rule", ALERT_METRIC_NAMES).makeOptionMandatory())
    .option("--above <n>", "raise while the value is above this", numberOf(RULE.above))
    .option("--below <n>", "raise while the value is below this", numberOf(RULE.below))
    .option("--for <ms>", "raise only after this uninterrupted time, ms; default 0", numberOf(RULE.forMs))
    .option(
      "--margin <permille>",
      "clear only beyond the threshold by this share of it, permille; default 0",
      numberOf(RULE.clearMarginPermille),
    )
    .addOption(oneOf("--severity <name>", "severity of its alerts", ALERT_SEVERITIES).default("warning"))
    .option("--vm <id>", "only this VM")
    .option("--chassis <id>", "only this chassis, or the VMs on it")
    .option("--label <name[=value]>", "only VMs or chassis with this label")
    .addOption(expectedVersionOption())
    .addHelpText(
      "after",
      "\nExample: bioxen alerts set hungry --metric vm.growthPermille --below 700 --for 10000 --margin 50 --label tier=gold",
    )
    .action(async (ruleId: string, line: RuleLine, command: Command) => {
      if ((line.above === undefined) === (line.below === undefined)) {
        throw usage("pass either --above or --below");
      }
      await withSession(command, async (session, { json }) => {
        const request = given({
          ruleId,
          metric: line.metric,
          above: line.above,
          below: line.below,
          forMs: line.for,
          clearMarginPermille: line.margin,
          severity: line.severity,
          scope: given({ vmId: line.vm, chassisId: line.chassis, label: line.label }),
        }) as RequestOf<"alertSetRule">;
        const reply = await session.call("alertSetRule", { ...request, ...versionOf(line) });
        showReply(reply, json === true, ({ changed }) => `${ruleId} is ${changed ? "set" : "unchanged"}`);
      });
    });
}

function addDeadLetters(alerts: Command): void {
  alerts
    .command("dead")
    .description("list notifications that a webhook did not accept, oldest first")
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.ask("alertDead", {});
        if (json === true) sayJson(reply);
        else say(deadTable(reply.dead));
      });
    });
  alerts
    .command("retry <rule> [notification]")
    .description("deliver the dead letters of a rule again, one or all")
    .addHelpText("after", "\nExample: bioxen alerts retry chassis-lost")
    .action(async (ruleId: string, notificationId: string | undefined, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.call("alertRetry", given({ ruleId, notificationId }));
        showReply(reply, json === true, ({ retried }) => `${retried} queued for delivery`);
      });
    });
}

const ACTIVE_COLUMNS: readonly Column[] = [
  { head: "SEVERITY" },
  { head: "RULE" },
  { head: "TARGET" },
  { head: "VALUE WHEN RAISED", importance: 2 },
  { head: "SINCE", importance: 1 },
];
const RULE_COLUMNS: readonly Column[] = [
  { head: "RULE" },
  { head: "RAISED WHILE", wraps: true },
  { head: "FOR", importance: 3 },
  { head: "MARGIN", importance: 1 },
  { head: "SEVERITY", importance: 4 },
  { head: "SCOPE" },
  { head: "", importance: 2 },
];
/** `alerts retry` takes the first two columns, so they always stay. */
const DEAD_COLUMNS: readonly Column[] = [
  { head: "RULE" },
  { head: "NOTIFICATION" },
  { head: "WHAT", importance: 3 },
  { head: "WEBHOOK", importance: 1 },
  { head: "ATTEMPTS", importance: 0 },
  { head: "REASON", wraps: true, importance: 4 },
  { head: "GIVEN UP", importance: 2 },
];

const painted = (severity: keyof typeof SEVERITY_COLOURS) => paint(SEVERITY_COLOURS[severity], severity);

export function activeTable(active: readonly ActiveAlertView[]): string {
  if (active.length === 0) return "no alert is raised; the rules are in: bioxen alerts rules";
  const rows = active.map((alert) => [
    painted(alert.severity),
    alert.ruleId,
    alert.target,
    `${alert.metric} = ${rounded(alert.value)}`,
    `${ago(Date.now() - alert.sinceMs)} ago`,
  ]);
  return table(ACTIVE_COLUMNS, rows);
}

export function raisedWhile({ metric, above, below }: AlertRuleView): string {
  return `${metric} ${above === undefined ? `< ${below}` : `> ${above}`}`;
}

function ruleTable(rules: readonly AlertRuleView[]): string {
  if (rules.length === 0)
    return "no rule exists; set one with:\n  bioxen alerts set hungry --metric vm.growthPermille --below 700";
  const rows = rules.map((rule) => [
    rule.ruleId,
    raisedWhile(rule),
    duration(rule.forMs),
    `${rule.clearMarginPermille} ‰`,
    painted(rule.severity),
    Object.entries(rule.scope)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ") || "all",
    rule.isDefault ? "default" : "",
  ]);
  return table(RULE_COLUMNS, rows);
}

export function deadTable(dead: readonly DeadNotification[]): string {
  if (dead.length === 0) return "every notification was delivered";
  const rows = dead.map((letter) => [
    letter.ruleId,
    letter.notificationId,
    `${letter.state} ${letter.target}`,
    letter.webhook,
    String(letter.attempts),
    letter.reason,
    `${ago(Date.now() - letter.diedAtMs)} ago`,
  ]);
  return table(DEAD_COLUMNS, rows);
}
