/**
 * Alerts in the menu: raised alerts, alert rules, and notifications that could not be delivered.
 */

import type { AlertRuleView } from "@bioxen/contracts";
import { activeTable, deadTable, raisedWhile } from "../commands/alerts.ts";
import { refused } from "../outcome.ts";
import type { Session } from "../session.ts";
import { table } from "../table.ts";
import type { Asking } from "./asking.ts";

export async function alertsMenu(asking: Asking, session: Session): Promise<void> {
  const { active, activeTotal } = await session.ask("alertList", {});
  if (activeTotal === 0) asking.tell("done", "no alert is raised");
  else asking.show(activeTable(active), `${activeTotal} alert${activeTotal === 1 ? "" : "s"}`);
  for (;;) {
    const { dead, total } = await session.ask("alertDead", {});
    const chosen = await asking.choose("Alerts", [
      { value: "rules", label: "Rules", hint: "watched metrics and limits" },
      ...(total > 0 ? [{ value: "dead", label: "Undelivered notifications", hint: String(total) }] : []),
      { value: "back", label: "Back" },
    ]);
    if (chosen === undefined || chosen === "back") return;
    if (chosen === "rules") asking.show(shortRules((await session.ask("alertList", {})).rules), "Rules");
    else {
      asking.show(deadTable(dead), "Undelivered notifications");
      await deliverAgain(asking, session, [...new Set(dead.map(({ ruleId }) => ruleId))]);
    }
  }
}

/** Returns the rules as a table that fits a terminal of 80 columns; `bioxen alerts rules` prints all fields. */
function shortRules(rules: readonly AlertRuleView[]): string {
  const rows = rules.map((rule) => [rule.ruleId, raisedWhile(rule), rule.severity]);
  return table(["RULE", "RAISED WHILE", "SEVERITY"], rows);
}

/** Offers another delivery of undelivered notifications: asks for one rule of `ruleIds`, and requests the delivery. */
async function deliverAgain(asking: Asking, session: Session, ruleIds: readonly string[]): Promise<void> {
  const chosen = await asking.choose("Deliver again?", [
    ...ruleIds.map((ruleId) => ({ value: ruleId, label: `All of rule ${ruleId}` })),
    { value: "", label: "No" },
  ]);
  if (chosen === undefined || chosen === "") return;
  const reply = await session.call("alertRetry", { ruleId: chosen });
  if (!reply.ok) return asking.tell("refused", refused(reply.error).message);
  asking.tell("done", `${reply.retried} queued for delivery`);
}
