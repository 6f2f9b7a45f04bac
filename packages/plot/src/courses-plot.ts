/**
 * Time courses as a plot: a panel for each field, and in it a line for each VM and branch, over the simulated minute.
 */
import type { Plot, PlotAxis, PlotPoint, PlotSeries } from "./plot.ts";

/** A course as `bioxen.qry.course.get` has it: the columns `minute` and `branch` come first. */
export interface PlottedCourse {
  readonly vmId: string;
  readonly columns: readonly PlotAxis[];
  readonly rows: readonly (readonly (number | null)[])[];
}

const MINUTE = 0;
const BRANCH = 1;
const FIRST_FIELD = 2;

/**
 * Returns the plot of the courses. The panels are those of `fields`, in this order; without `fields`, those of all
 * fields. A course that does not have a field has no line in its panel. Fields of one name with different units have a
 * panel each.
 */
export function coursesPlot(courses: readonly PlottedCourse[], fields?: readonly string[]): Plot {
  const axes = new Map<string, PlotAxis>();
  for (const { columns } of courses) {
    for (const axis of columns.slice(FIRST_FIELD)) axes.set(`${axis.name} ${axis.unit}`, axis);
  }
  const shown =
    fields === undefined
      ? [...axes.values()]
      : fields.flatMap((field) => [...axes.values()].filter(({ name }) => name === field));
  return {
    x: courses[0]?.columns[MINUTE] ?? { name: "minute", unit: "min" },
    panels: shown.map((y) => ({ y, series: courses.flatMap((course) => linesOf(course, y)) })),
  };
}

/** Returns the lines of one course: one, or one for each branch where the cell was restored or began again. */
function linesOf({ vmId, columns, rows }: PlottedCourse, { name, unit }: PlotAxis): PlotSeries[] {
  const at = columns.findIndex((column) => column.name === name && column.unit === unit);
  if (at < 0) return [];
  const branches = new Map<number, PlotPoint[]>();
  for (const row of rows) {
    const branch = row[BRANCH] ?? 0;
    const points = branches.get(branch) ?? [];
    points.push({ x: row[MINUTE] ?? 0, y: row[at] ?? null });
    branches.set(branch, points);
  }
  return [...branches].map(([branch, points]) => ({
    name: branches.size === 1 ? vmId : `${vmId} branch ${branch}`,
    points,
  }));
}
