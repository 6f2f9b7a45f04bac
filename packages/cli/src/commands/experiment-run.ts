/**
 * `bioxen experiment run`: starts an experiment, waits until it has ended, and writes its results. The service runs the
 * experiment; this command only watches. So it can end at any time, and goes on when it is run again.
 */
import type { ExperimentView, ResultOf } from "@bioxen/contracts";
import type { Command } from "commander";
import { experimentIn } from "../experiment-file.ts";
import { CommandEnd, EXIT_REFUSED } from "../outcome.ts";
import { Progress } from "../progress.ts";
import { note, say, sayJson, withSession } from "../run.ts";
import type { Session } from "../session.ts";
import { saveResults } from "./experiment-output.ts";

/** Time between two looks at the experiment, ms. */
const LOOK_INTERVAL_MS = 500;
/** Time between two lines of progress where there is no terminal, ms. */
const LINE_INTERVAL_MS = 10_000;
/** Width of the progress bar, characters. */
const BAR = 24;

const EXAMPLES = `
The experiment goes on when this command ends; the same command continues to watch it.
With --out, the directory gets results.csv (one line per VM), courses.csv and experiment.json.

Examples:
  bioxen experiment run growth-law.yaml --out results
  bioxen experiment run growth-law.yaml --json`;

export function addRunCommand(experiment: Command): void {
  experiment
    .command("run")
    .description("run the experiment of a file, or continue it, and wait until it has ended")
    .argument("<file>", "experiment file; - reads standard input")
    .option("--out <directory>", "write the results to this directory")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, { out }: { out?: string }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const { file: content } = await experimentIn(file);
        await session.ask("experimentStart", { file: content as never });
        const ended = await watched(session, content.experiment);
        const whole = await session.ask("experimentGet", { experimentId: content.experiment });
        if (out !== undefined && ended.status === "finished") await saveResults(session, whole, out);
        conclude(whole, out, json === true);
      });
    });
}

/** Resolves with the experiment once it has ended. */
async function watched(session: Session, experimentId: string): Promise<ExperimentView> {
  let experiment = await look(session, experimentId);
  const progress = new Progress(() => barOf(experiment));
  let saidAtMs = 0;
  let said = "";
  try {
    while (experiment.endedAtMs === null) {
      progress.seen(experiment.recorded);
      const line = lineOf(experiment);
      if (process.stderr.isTTY !== true && line !== said && Date.now() - saidAtMs >= LINE_INTERVAL_MS) {
        [said, saidAtMs] = [line, Date.now()];
        note(line);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
      experiment = await look(session, experimentId);
    }
  } finally {
    progress.end();
  }
  return experiment;
}

async function look(session: Session, experimentId: string): Promise<ExperimentView> {
  // The first page is enough: the view has the counts.
  return (await session.ask("experimentGet", { experimentId, limit: 1 })).experiment;
}

function barOf(experiment: ExperimentView): string {
  const { recorded, failed, vmCount } = experiment;
  const full = Math.floor((BAR * (recorded + failed)) / vmCount);
  return `[${"#".repeat(full)}${"-".repeat(BAR - full)}] ${lineOf(experiment)}`;
}

/** Returns the progress of an experiment as one line. */
export function lineOf({
  experimentId,
  status,
  recorded,
  failed,
  running,
  waiting,
  vmCount,
  reason,
}: ExperimentView): string {
  const parts = [
    `${recorded} of ${vmCount} VMs recorded`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(running > 0 ? [`${running} running`] : []),
    ...(waiting > 0 ? [`${waiting} waiting`] : []),
  ];
  const why = reason === null ? "" : ` (${reason})`;
  return `experiment ${experimentId} is ${status}: ${parts.join(", ")}${why}`;
}

function conclude({ experiment }: ResultOf<"experimentGet">, out: string | undefined, json: boolean): void {
  const { status, failed } = experiment;
  if (status !== "finished" || failed > 0) {
    const message = lineOf(experiment);
    if (json) sayJson({ ok: true, experiment, out: out ?? null });
    throw new CommandEnd(EXIT_REFUSED, json ? "" : message);
  }
  if (json) sayJson({ ok: true, experiment, out: out ?? null });
  else say([lineOf(experiment), ...(out === undefined ? [] : [`results in ${out}`])].join("\n"));
}
