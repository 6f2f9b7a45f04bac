/**
 * `bioxen replay`: places the recorded demand again, under another policy or with other chassis. Changes nothing.
 */

import {
  CHASSIS_DEFAULTS,
  PLACEMENT_POLICIES,
  type PlacementPolicyName,
  walkReadable,
} from "@bioxen/contracts";
import type { UnreadableMessage } from "@bioxen/kernel";
import {
  DemandReplay,
  type ExtraChassis,
  type Outcome,
  type ReplayReport,
  type ReplaySummary,
} from "@bioxen/placement";
import type { Command } from "commander";
import { chassisCounts } from "../chassis-list.ts";
import { usage } from "../outcome.ts";
import { given, oneOf, sequenceOption } from "../parse.ts";
import { note, say, sayJson, withSession } from "../run.ts";
import { table } from "../table.ts";
import { unreadableLine } from "./event-words.ts";

/** Maximum number of differences between the placements that the text shows; `--json` lists all. */
const SHOWN_DIFFERENCES = 40;
/** Number of events between two progress lines: about one line a second on a small machine. */
const PROGRESS_EVERY = 50_000;
/** Maximum number of chassis of one type that --with-chassis adds. */
const MAX_EXTRA = 1_000;

interface ReplayCommandOptions {
  readonly policy?: PlacementPolicyName;
  readonly recordedPolicy?: PlacementPolicyName;
  readonly withoutChassis?: readonly string[];
  readonly withChassis?: readonly ExtraChassis[];
  readonly from?: number;
  readonly to?: number;
}

/**
 * Returns `before`, the chassis ids from earlier uses of the option, with the ids in `text` (such as `c1,c2`) appended.
 */
function idsOption(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(",").map((part) => part.trim())];
}

/**
 * Returns `before`, the extra chassis from earlier uses of the option, with those in `text` (such as `yeast:2,ecoli:1`)
 * appended.
 */
function extraOption(text: string, before: readonly ExtraChassis[] = []): ExtraChassis[] {
  const types = Object.keys(CHASSIS_DEFAULTS) as ExtraChassis["chassisType"][];
  return chassisCounts(text, types, MAX_EXTRA, before);
}

export function addReplayCommand(program: Command): void {
  const policyOption = (flags: string, description: string) => oneOf(flags, description, PLACEMENT_POLICIES);
  program
    .command("replay")
    .description(
      "place the recorded demand again, under another policy or with other chassis; changes nothing",
    )
    .addOption(
      policyOption("--policy <policy>", "policy for VMs without their own; default: the recorded policy"),
    )
    .addOption(
      policyOption("--recorded-policy <policy>", "policy that the scheduler had then; default bin-pack"),
    )
    .option("--without-chassis <ids>", "chassis to leave out; repeatable", idsOption)
    .option("--with-chassis <type:n>", "chassis to add, such as yeast:2; repeatable", extraOption)
    .option(
      "--from <seq>",
      "first sequence to decide again; earlier decisions stay as recorded; default 1",
      sequenceOption,
    )
    .option("--to <seq>", "last sequence; default: the last of the log", sequenceOption)
    .action(async (options: ReplayCommandOptions, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const { from = 1, to, ...others } = options;
        if (to !== undefined && to < from) throw usage(`--to must be at least --from, which is ${from}`);
        const replay = new DemandReplay({ ...given(others), fromSeq: from });
        let read = 0;
        const cause = await walkReadable(
          await session.eventLog(),
          (event) => {
            replay.observe(event);
            read += 1;
            if (read % PROGRESS_EVERY === 0) note(`${read} events read`);
          },
          {
            onUnreadable: noteUnreadable,
            stallMs: session.timeoutMs,
            ...(to === undefined ? {} : { toSeq: to }),
          },
        );
        if (cause !== undefined) throw cause;
        const unknown = (options.withoutChassis ?? []).filter((id) => !replay.chassisSeen.has(id));
        if (unknown.length > 0) throw usage(`the log has no chassis ${unknown.join(", ")}`);
        const report = replay.report();
        if (report.events === 0) throw usage(`the log has no event from ${from} on`);
        if (json === true) sayJson({ ok: true, ...report });
        else say(reportWords(report));
      });
    });
}

const noteUnreadable = (message: UnreadableMessage) => note(`${unreadableLine(message)}: left out`);
const seconds = (ms: number) => `${(ms / 1_000).toFixed(3)} s`;
const percent = (permille: number) => `${(permille / 10).toFixed(1)} %`;

function reportWords(report: ReplayReport): string {
  const { fromSeq, toSeq, spanMs, recorded, baseline, alternative, reproduction, differences } = report;
  const three = (name: string, value: (summary: ReplaySummary) => number | string) => [
    name,
    ...[recorded, baseline, alternative].map((summary) => String(value(summary))),
  ];
  const totals = table(
    ["", "RECORDED", "BASELINE", "WHAT IF"],
    [
      three("demands", (s) => s.demands),
      three("placed", (s) => s.placed),
      three("not placed", (s) => s.unplaced),
      three("total wait", (s) => seconds(s.totalWaitMs)),
      three("longest wait", (s) => seconds(s.longestWaitMs)),
      three("evicted", (s) => s.evictions),
      three("resizes refused", (s) => s.refusedResizes),
    ],
  );
  const { demands, sameChassis, permille, waitDifferenceMs } = reproduction;
  return [
    `events ${fromSeq} to ${toSeq}, ${seconds(spanMs)}`,
    `the baseline reproduces ${sameChassis} of ${demands} recorded placements (${percent(permille)}); its waits are ${seconds(waitDifferenceMs)} longer in total`,
    "",
    totals,
    "",
    useTable(report),
    "",
    differences.length === 0 ? "no VM has another placement or wait" : differenceTable(report),
  ].join("\n");
}

/**
 * Returns a table with one row per chassis: the mean use of its fullest resource, and the largest number of VMs that it
 * held at one time.
 */
function useTable({ recorded, baseline, alternative }: ReplayReport): string {
  const ids = new Set([recorded, baseline, alternative].flatMap((s) => s.chassis.map((c) => c.chassisId)));
  const use = (summary: ReplaySummary, id: string) => {
    const all = summary.chassis.filter((chassis) => chassis.chassisId === id);
    if (all.length === 0) return "–";
    const fullest = Math.max(0, ...all.flatMap((chassis) => Object.values(chassis.meanPermille)));
    return `${percent(fullest)}, ${Math.max(...all.map((chassis) => chassis.peakVms))} VMs`;
  };
  const rows = [...ids].sort().map((id) => [id, ...[recorded, baseline, alternative].map((s) => use(s, id))]);
  return table(["MEAN USE, MOST VMS", "RECORDED", "BASELINE", "WHAT IF"], rows);
}

function differenceTable({ differences }: ReplayReport): string {
  const words = (outcome: Outcome | null) => {
    if (outcome === null) return "–";
    return `${outcome.chassisId ?? "not placed"} after ${seconds(outcome.waitMs)}`;
  };
  const rows = differences
    .slice(0, SHOWN_DIFFERENCES)
    .map((d) => [d.vmId, `#${d.askedSeq}`, words(d.baseline), words(d.alternative)]);
  const more = differences.length - rows.length;
  const shown = table(["VM", "REQUESTED", "BASELINE", "WHAT IF"], rows);
  return more === 0 ? shown : `${shown}\n… and ${more} more: --json lists all`;
}
