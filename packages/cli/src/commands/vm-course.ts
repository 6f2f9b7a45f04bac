/**
 * `bioxen vm course`: the recorded time course of a VM as CSV, JSON or Parquet.
 */
import type { RequestOf, ResultOf } from "@bioxen/contracts";
import { type Command, Option } from "commander";
import { csvOf } from "../course-csv.ts";
import { extensionIn, type RangeOptions, save, withRangeOptions } from "../course-options.ts";
import { usage } from "../outcome.ts";
import { fieldNames, given, integerIn } from "../parse.ts";
import { withSession } from "../run.ts";

interface CourseOptions extends RangeOptions {
  readonly fields?: string[];
  readonly incarnation?: number;
  readonly csv?: true;
  readonly out?: string;
}

type Course = ResultOf<"courseGet">;

const FORMATS = {
  ".csv": async (course: Course) => csvOf(course),
  ".json": async (course: Course) => `${JSON.stringify({ ok: true, ...course })}\n`,
  ".parquet": async (course: Course) => {
    const { parquetOf } = await import("../course-parquet.ts");
    return parquetOf(course);
  },
} as const;
type Extension = keyof typeof FORMATS;

export function addCourseCommand(vm: Command): void {
  const course = vm
    .command("course <id>")
    .description("print the recorded time course of a VM as CSV, with --json as JSON")
    .option("--fields <names>", "columns after minute and branch, by commas; default: all", fieldNames)
    .option("--incarnation <n>", "earlier VM with this id; default: the latest", integerIn({ min: 1 }));
  withRangeOptions(course)
    .addOption(new Option("--csv", "CSV, the default on standard output").conflicts("json"))
    .option("--out <file>", "write to this file; its name ends in .csv, .json or .parquet")
    .addHelpText(
      "after",
      "\nExamples:\n  bioxen vm create c1 --record-every 10 --start\n  bioxen vm course c1 --fields r,growthRatePerMinute --out c1.csv",
    )
    .action(async (vmId: string, options: CourseOptions, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const extension = extensionOf(options, json === true);
        const course = await session.ask("courseGet", requestOf(vmId, options));
        const content = await FORMATS[extension](course);
        if (options.out === undefined) process.stdout.write(content);
        else await save(options.out, content, `${course.rows.length} rows`);
      });
    });
}

function requestOf(vmId: string, options: CourseOptions): RequestOf<"courseGet"> {
  const { fields, incarnation, fromMinute, toMinute } = options;
  return { vmId, ...given({ fields, incarnation, fromMinute, toMinute }) };
}

/** Returns the format: that of the file's name, else that of the options. */
function extensionOf({ out, csv }: CourseOptions, json: boolean): Extension {
  const asked = json ? ".json" : ".csv";
  if (out === undefined) return asked;
  const extension = extensionIn(out, Object.keys(FORMATS) as Extension[]);
  if ((csv === true || json) && extension !== asked) {
    throw usage(`--out ${out} contradicts ${json ? "--json" : "--csv"}: leave one of them out`);
  }
  return extension;
}
