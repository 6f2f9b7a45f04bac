/**
 * `bioxen experiment plot`: results of an experiment as a drawing in the terminal or as an SVG file.
 */
import { plotSvg } from "@bioxen/plot";
import type { Command } from "commander";
import { extensionIn, save } from "../course-options.ts";
import { experimentPlot, type PlotQuestion } from "../experiment-plot.ts";
import { usage } from "../outcome.ts";
import { drawn, sizeOf } from "../plot-words.ts";
import { sayJson, withSession } from "../run.ts";

export function addPlotCommand(experiment: Command): void {
  experiment
    .command("plot <id>")
    .description("draw results of an experiment: means over replicates with one standard deviation")
    .requiredOption("--x <name>", "swept value or recorded field on the x axis")
    .requiredOption("--y <name>", "recorded field on the y axis: its value at the last minute")
    .option("--by <name>", "swept value: a line for each; default: one line")
    .option("--out <file>", "write the picture to this file; its name ends in .svg")
    .addHelpText(
      "after",
      "\nExample:\n  bioxen experiment plot growth-law --x growthRatePerMinute --y ribosomalMassFraction --by resources.ribosomes --out law.svg",
    )
    .action(
      async (experimentId: string, options: PlotQuestion & { readonly out?: string }, command: Command) => {
        await withSession(command, async (session, { json }) => {
          const { out } = options;
          if (out !== undefined) extensionIn(out, [".svg"]);
          const answer = experimentPlot(await session.ask("experimentGet", { experimentId }), options);
          if ("problems" in answer) throw usage(answer.problems.join("\n"));
          const { plot } = answer;
          if (json === true) sayJson({ ok: true, ...plot });
          if (out !== undefined) await save(out, plotSvg(plot), sizeOf(plot));
          else if (json !== true) process.stdout.write(drawn(plot));
        });
      },
    );
}
