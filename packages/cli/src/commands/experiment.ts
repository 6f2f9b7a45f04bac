/**
 * `bioxen experiment …`. `plan` checks an experiment file and shows the VMs that it means, with their seeds. It needs no
 * server.
 */
import type { Experiment, ExperimentVm } from "@bioxen/contracts";
import type { Command } from "commander";
import { experimentIn } from "../experiment-file.ts";
import { valueWords } from "../experiment-results.ts";
import { endOf } from "../outcome.ts";
import { conclude, globalsOf, say, sayJson } from "../run.ts";
import { table } from "../table.ts";
import { addListCommands } from "./experiment-list.ts";
import { addPlotCommand } from "./experiment-plot.ts";
import { addRunCommand } from "./experiment-run.ts";

/** Maximum number of VMs that the text lists; `--json` lists all. */
const MAX_LISTED = 20;

const EXAMPLES = `
An experiment file, YAML or JSON (docs/experiment.schema.json is its JSON Schema, for editors):
  experiment: growth-law
  base: { biologicalType: ecoli, config: { parameterSet: weisse-2015 } }
  sweep:
    environment.nutrientQuality: [0.08, 0.5]
    resources.ribosomes: ["50%", "100%"]
  replicates: 2
  seed: 1
  untilMinute: 600
  record: { everyMinutes: 10 }

Examples:
  bioxen experiment plan growth-law.yaml         check the file, and show its VMs
  bioxen experiment plan growth-law.yaml --json  all VMs with their values and seeds`;

export function addExperimentCommands(program: Command): void {
  const experiment = program.command("experiment").description("experiments: one question, many cells");
  experiment
    .command("plan")
    .description(
      "check an experiment file and show its VMs with their seeds; needs no server and starts nothing",
    )
    .argument("<file>", "experiment file; - reads standard input")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, _options: object, command: Command) => {
      const { json } = globalsOf(command);
      try {
        const planned = await experimentIn(file);
        if (json === true) sayJson({ ok: true, ...documentOf(planned) });
        else say(planWords(planned));
      } catch (thrown) {
        conclude(endOf(thrown), json === true);
      }
    });
  addRunCommand(experiment);
  addListCommands(experiment);
  addPlotCommand(experiment);
}

function documentOf({ file, digest, swept, vmCount, rowsPerVm, vm }: Experiment) {
  const vms = Array.from({ length: vmCount }, (_, index) => vm(index));
  return {
    experiment: file.experiment,
    digest,
    untilMinute: file.untilMinute,
    rowsPerVm,
    rowCount: vmCount * rowsPerVm,
    swept,
    vms: vms.map(({ vmId, values, replicate, seed }) => ({ vmId, values, replicate, seed })),
  };
}

function planWords({ file, swept, vmCount, rowsPerVm, vm }: Experiment): string {
  const vms = Array.from({ length: Math.min(vmCount, MAX_LISTED) }, (_, index) => vm(index));
  const heads = [
    { head: "VM" },
    ...swept.map((name) => ({ head: name, importance: 3 })),
    { head: "REPLICATE", importance: 2 },
    { head: "SEED", importance: 1 },
  ];
  const lines = [
    `experiment ${file.experiment}: ${counted(vmCount, "VM")} to minute ${file.untilMinute}`,
    `${counted(rowsPerVm, "row")} each, ${vmCount * rowsPerVm} in all`,
    table(
      heads,
      vms.map((one) => rowOf(one, swept)),
    ),
  ];
  if (vmCount > MAX_LISTED) lines.push(`… and ${vmCount - MAX_LISTED} more; --json lists all`);
  return lines.join("\n");
}

function rowOf({ vmId, values, replicate, seed }: ExperimentVm, swept: readonly string[]): string[] {
  return [vmId, ...swept.map((name) => valueWords(values[name])), String(replicate), String(seed)];
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
