/**
 * `bioxen experiment ls`, `show` and `cancel`.
 */
import type { ExperimentVmView, ResultOf } from "@bioxen/contracts";
import type { Command } from "commander";
import { valueWords } from "../experiment-results.ts";
import { type ListOptions, showList, withListOptions } from "../lists.ts";
import { say, sayJson, showReply, withSession } from "../run.ts";
import { table } from "../table.ts";
import { lineOf } from "./experiment-run.ts";

/** Maximum number of VMs that the text lists; `--json` lists all. */
const MAX_LISTED = 20;

export function addListCommands(experiment: Command): void {
  withListOptions(experiment.command("ls").alias("list").description("list all experiments"))
    .addHelpText("after", "\nExample:\n  bioxen experiment ls")
    .action(async (options: ListOptions, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.ask("experimentList", {});
        if (json === true) return sayJson(reply);
        const rows = reply.experiments.map((one) => [
          one.experimentId,
          one.status,
          `${one.recorded}/${one.vmCount}`,
          String(one.failed),
          one.owner,
        ]);
        const heads = ["EXPERIMENT", "STATUS", "RECORDED", "FAILED", "OWNER"];
        showList(options, {
          ids: reply.experiments.map(({ experimentId }) => experimentId),
          empty: "there is no experiment; run one with:\n  bioxen experiment run FILE",
          table: (form) => table(heads, rows, undefined, form),
        });
      });
    });
  experiment
    .command("show")
    .description("show an experiment with its VMs and their results")
    .argument("<id>", "experiment")
    .addHelpText("after", "\nExample:\n  bioxen experiment show growth-law --json")
    .action(async (experimentId: string, _options: object, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.ask("experimentGet", { experimentId });
        if (json === true) sayJson(reply);
        else say(wholeWords(reply));
      });
    });
  experiment
    .command("cancel")
    .description("cancel an experiment: all its VMs are destroyed, and stored results stay")
    .argument("<id>", "experiment")
    .addHelpText("after", "\nExample:\n  bioxen experiment cancel growth-law")
    .action(async (experimentId: string, _options: object, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.call("experimentCancel", { experimentId });
        showReply(reply, json === true, ({ experiment: one }) => lineOf(one));
      });
    });
}

function wholeWords({ experiment, vms }: ResultOf<"experimentGet">): string {
  const swept = [...new Set(vms.flatMap(({ values }) => Object.keys(values)))];
  const heads = [
    { head: "VM" },
    ...swept.map((name) => ({ head: name, importance: 3 })),
    { head: "REPLICATE", importance: 2 },
    { head: "STATUS" },
    { head: "REASON", importance: 1, wraps: true },
  ];
  const rows = vms.slice(0, MAX_LISTED).map((vm) => rowOf(vm, swept));
  const more = vms.length - MAX_LISTED;
  const lines = [lineOf(experiment), table(heads, rows)];
  if (more > 0) lines.push(`… and ${more} more; --json lists all`);
  return lines.join("\n");
}

function rowOf({ vmId, values, replicate, status, reason }: ExperimentVmView, swept: readonly string[]) {
  return [vmId, ...swept.map((name) => valueWords(values[name])), String(replicate), status, reason ?? ""];
}
