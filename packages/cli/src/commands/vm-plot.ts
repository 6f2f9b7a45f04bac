/**
 * `bioxen vm plot`: recorded time courses of VMs as a drawing in the terminal or as an SVG file.
 */
import { coursesPlot, type PlottedCourse, plotSvg } from "@bioxen/plot";
import type { Command } from "commander";
import { extensionIn, type RangeOptions, save, withRangeOptions } from "../course-options.ts";
import { usage } from "../outcome.ts";
import { fieldNames, given } from "../parse.ts";
import { drawn, sizeOf } from "../plot-words.ts";
import { sayJson, withSession } from "../run.ts";
import type { Session } from "../session.ts";

interface PlotOptions extends RangeOptions {
  readonly fields?: string[];
  readonly out?: string;
}

/** The panels without `--fields`, as far as they are recorded. */
const MAIN_FIELDS = ["growthRatePerMinute", "ribosomalMassFraction"];
/** Number of panels without `--fields` when none of the main fields is recorded. */
const OTHER_FIELDS = 4;

export function addPlotCommand(vm: Command): void {
  const plot = vm
    .command("plot <ids...>")
    .description("draw the recorded time courses of VMs in the terminal or as an SVG file")
    .option(
      "--fields <names>",
      "a panel for each, by commas; default: growth rate and ribosomal mass fraction, else the first recorded ones",
      fieldNames,
    );
  withRangeOptions(plot)
    .option("--out <file>", "write the picture to this file; its name ends in .svg")
    .addHelpText(
      "after",
      "\nA VM that was restored has a line for each branch.\n\nExamples:\n  bioxen vm plot c1 c2 --fields growthRatePerMinute,r\n  bioxen vm plot c1 --out c1.svg",
    )
    .action(async (vmIds: string[], options: PlotOptions, command: Command) => {
      const { fields, out } = options;
      await withSession(command, async (session, { json }) => {
        if (out !== undefined) extensionIn(out, [".svg"]);
        const courses = await coursesOf(session, [...new Set(vmIds)], options);
        const plotted = coursesPlot(courses, fields ?? mainFields(courses));
        if (plotted.panels.length === 0) throw usage(`${vmIds.join(", ")}: no field is recorded`);
        if (json === true) sayJson({ ok: true, ...plotted });
        if (out !== undefined) await save(out, plotSvg(plotted), sizeOf(plotted));
        else if (json !== true) process.stdout.write(drawn(plotted));
      });
    });
}

async function coursesOf(
  session: Session,
  vmIds: readonly string[],
  { fields, fromMinute, toMinute }: PlotOptions,
): Promise<PlottedCourse[]> {
  const courses: PlottedCourse[] = [];
  for (const vmId of vmIds) {
    const request = { vmId, ...given({ fields, fromMinute, toMinute }) };
    const { columns, rows } = await session.ask("courseGet", request);
    courses.push({ vmId, columns, rows });
  }
  return courses;
}

/** Returns the fields that are drawn when the user names none. */
function mainFields(courses: readonly PlottedCourse[]): string[] {
  const recorded = new Set(courses.flatMap(({ columns }) => columns.slice(2).map(({ name }) => name)));
  const main = MAIN_FIELDS.filter((name) => recorded.has(name));
  return main.length > 0 ? main : [...recorded].slice(0, OTHER_FIELDS);
}
