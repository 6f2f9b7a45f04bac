/**
 * `bioxen chassis drain`: starts or cancels a drain, or shows its progress; with `--wait` it follows the drain to its
 * end.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type DrainView, ENDPOINTS, MAX_DRAIN_DEADLINE_MS, type ResultOf } from "@bioxen/contracts";
import type { Command } from "commander";
import { expectedVersionOption, type VersionOptions, versionOf } from "../expected-version.ts";
import { CommandEnd, EXIT_REFUSED, EXIT_UNREACHABLE, usage } from "../outcome.ts";
import { given, integerIn, numberOf } from "../parse.ts";
import { Progress } from "../progress.ts";
import { say, sayJson, withSession } from "../run.ts";
import type { Session } from "../session.ts";
import { table } from "../table.ts";

/** Interval at which a drain is polled, ms. */
const POLL_INTERVAL_MS = 200;
/**
 * Time for which the command goes on waiting after the deadline of a drain, ms. If the drain has not ended by then, the
 * service counts as unreachable.
 */
const GRACE_MS = 30_000;

const DRAIN = ENDPOINTS.chassisDrain.request.shape;
const MS_PER_S = 1_000;

interface Options extends VersionOptions {
  readonly parallel?: number;
  readonly deadline?: number;
  readonly wait?: boolean;
  readonly cancel?: boolean;
  readonly progress?: boolean;
}

export function addDrainCommand(chassis: Command): void {
  chassis
    .command("drain <id>")
    .description("cordon a chassis and move its VMs to others: bioxen chassis drain ecoli-1 --wait")
    .option("--parallel <n>", "moves at once; default 4", numberOf(DRAIN.parallelism))
    .option(
      "--deadline <seconds>",
      "time limit of the drain, s; default 600",
      integerIn({ min: 1, max: MAX_DRAIN_DEADLINE_MS / MS_PER_S }),
    )
    .option("--wait", "wait for its end; exit code 1 when VMs remain")
    .option("--cancel", "cancel the drain and the moves under way")
    .addOption(expectedVersionOption())
    .option("--progress", "show the progress of each VM; starts nothing")
    .addHelpText(
      "after",
      "\nExamples:\n  bioxen chassis drain ecoli-1 --parallel 8 --deadline 120 --wait\n  bioxen chassis drain ecoli-1 --cancel",
    )
    .action(async (chassisId: string, options: Options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const isJson = json === true;
        if (options.cancel === true && options.progress === true)
          throw usage("pass either --cancel or --progress");
        if (options.progress === true) return showProgress(session, chassisId, isJson);
        const begun = await startOrCancel(session, chassisId, options);
        const reply = options.wait === true ? await ended(session, begun) : begun;
        if (isJson) sayJson({ ok: true, ...reply });
        else say(words(reply.drain, chassisId, reply.changed));
        if (options.wait === true && options.cancel !== true) conclude(reply.drain, isJson);
      });
    });
}

async function startOrCancel(
  session: Session,
  chassisId: string,
  options: Options,
): Promise<ResultOf<"chassisDrain">> {
  const { cancel, parallel, deadline } = options;
  const deadlineMs = deadline === undefined ? undefined : deadline * 1_000;
  const reply =
    cancel === true
      ? await session.ask("chassisCancelDrain", { chassisId, ...versionOf(options) })
      : await session.ask("chassisDrain", {
          ...given({ chassisId, parallelism: parallel, deadlineMs }),
          ...versionOf(options),
        });
  if (reply.cursor === null) return reply;
  // The drain is read again, because the reply of the command has only the VMs that fit in one message.
  const { drain } = await session.ask("chassisDrainGet", { chassisId });
  return { ...reply, drain, cursor: null };
}

async function showProgress(session: Session, chassisId: string, json: boolean): Promise<void> {
  const reply = await session.ask("chassisDrainGet", { chassisId });
  if (json) sayJson(reply);
  else say(words(reply.drain, chassisId, true));
}

/**
 * Polls the drain until it has ended. Returns the reply of the drain command with the final state of chassis and drain.
 */
async function ended(session: Session, begun: ResultOf<"chassisDrain">): Promise<ResultOf<"chassisDrain">> {
  const { chassisId } = begun.chassis;
  let { drain } = begun;
  const progress = new Progress(() => (drain === null ? "" : progressLine(drain)));
  while (drain?.status === "draining") {
    if (Date.now() > drain.deadlineAtMs + GRACE_MS) {
      progress.end();
      throw new CommandEnd(
        EXIT_UNREACHABLE,
        `the drain of ${chassisId} has not ended ${GRACE_MS / 1_000} s after its deadline`,
      );
    }
    progress.seen(drain.moved);
    await sleep(POLL_INTERVAL_MS);
    ({ drain } = await session.ask("chassisDrainGet", { chassisId }));
  }
  progress.end();
  const { chassis } = await session.ask("chassisGet", { chassisId });
  return { changed: begun.changed, chassis, drain, cursor: null };
}

function conclude(drain: DrainView | null, json: boolean): void {
  if (drain === null || drain.status === "completed") return;
  const message = `${drain.chassisId} was not drained: ${drain.status}, ${drain.remaining} VMs left`;
  throw new CommandEnd(EXIT_REFUSED, json ? "" : message);
}

function progressLine({ chassisId, vms, moved, remaining }: DrainView): string {
  const moving = vms.filter((vm) => vm.status === "moving").map((vm) => vm.vmId);
  const now = moving.length === 0 ? "" : `, now ${moving.slice(0, 4).join(", ")}`;
  return `${chassisId}: ${moved} of ${vms.length} moved, ${remaining} left${now}`;
}

function words(drain: DrainView | null, chassisId: string, changed: boolean): string {
  if (drain === null) return `${chassisId} has had no drain`;
  const head = `${drain.chassisId} is ${drain.status}: ${drain.moved} of ${drain.vms.length} moved, ${drain.remaining} left${changed ? "" : " (no change)"}`;
  if (drain.vms.length === 0) return head;
  const rows = drain.vms.map((vm) => [vm.vmId, vm.status, vm.toChassisId ?? "", vm.reason ?? ""]);
  return `${head}\n${table(["VM", "STATUS", "TO", { head: "WHY", wraps: true }], rows)}`;
}
