/**
 * The recorded time course of a VM as charts, one per unit, with a download as CSV.
 */
import { useMemo, useState } from "preact/hooks";
import { query } from "../api/client.ts";
import { LineChart } from "../charts/line-chart.tsx";
import type { Result, VmView } from "../model/types.ts";
import { Button, Card, Empty, ErrorNote, Loading } from "../ui/basics.tsx";
import { saveText } from "../ui/save.ts";
import { useQuery } from "../ui/use-query.ts";

type Course = Pick<Result<"courseGet">, "columns" | "rows">;

/** Rows that the view reads at most: charts of more points look the same, and the command line reads all. */
const MAX_ROWS = 20_000;

async function courseOf(vmId: string): Promise<Course & { readonly isCut: boolean }> {
  const rows: (number | null)[][] = [];
  let columns: Course["columns"] = [];
  let cursor: string | undefined;
  do {
    const page = await query<Result<"courseGet"> & { cursor?: string | null }>("course", "get", {
      vmId,
      cursor,
    });
    columns = page.columns;
    rows.push(...page.rows);
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined && rows.length < MAX_ROWS);
  return { columns, rows, isCut: cursor !== undefined };
}

function quoted(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvOf({ columns, rows }: Course): string {
  const head = columns.map(({ name, unit }) => quoted(unit === "1" ? name : `${name} [${unit}]`)).join(",");
  return `${[head, ...rows.map((row) => row.map((value) => value ?? "").join(","))].join("\n")}\n`;
}

/** Fields that are shown at first, where the course has them. */
const FIRST = ["growthRate", "doublingTime", "ribosomalMassFraction"];

function Charts({ course, chosen }: { readonly course: Course; readonly chosen: readonly string[] }) {
  const { columns, rows } = course;
  const x = useMemo(() => rows.map((row) => row[0] ?? 0), [course]);
  return (
    <div class="charts">
      {columns.flatMap(({ name, unit }, at) =>
        chosen.includes(name)
          ? [
              <Card key={name} label={name}>
                <LineChart
                  title={name}
                  unit={unit}
                  x={x}
                  xUnit="simulated minutes"
                  lines={[{ name, values: rows.map((row) => row[at] ?? null) }]}
                />
              </Card>,
            ]
          : [],
      )}
    </div>
  );
}

export function CourseTab({ vm }: { readonly vm: VmView }) {
  const { data, error, isLoading, reload } = useQuery(
    async () => (vm.record === undefined ? undefined : courseOf(vm.vmId)),
    [vm.vmId, vm.incarnation],
  );
  const [picked, setPicked] = useState<readonly string[] | undefined>();
  if (vm.record === undefined) {
    return (
      <Card title="Recorded course">
        <Empty title="Nothing is recorded of this VM">
          Create a VM with <code>record</code> to keep rows of its state:{" "}
          <code>bioxen vm create c1 --record every=10</code>
        </Empty>
      </Card>
    );
  }
  if (error !== undefined)
    return (
      <Card title="Recorded course">
        <ErrorNote error={error} retry={reload} />
      </Card>
    );
  if (data === undefined || isLoading)
    return (
      <Card title="Recorded course">
        <Loading lines={8} />
      </Card>
    );
  const names = data.columns.map(({ name }) => name).slice(2);
  const first = names.filter((name) =>
    FIRST.some((wanted) => name.toLowerCase().includes(wanted.toLowerCase())),
  );
  const chosen = picked ?? (first.length > 0 ? first : names.slice(0, 3));
  return (
    <>
      <Card
        title="Recorded course"
        actions={
          <>
            <Button onClick={reload}>Read again</Button>
            <Button onClick={() => saveText(`${vm.vmId}.csv`, "text/csv", csvOf(data))}>Download CSV</Button>
          </>
        }
      >
        <p class="muted">
          {data.rows.length} rows
          {data.isCut ? `, the first of more: \`bioxen vm course ${vm.vmId}\` reads all` : ""}
        </p>
        <fieldset class="choices">
          <legend class="label">Shown</legend>
          {names.map((name) => (
            <label key={name} class="choice">
              <input
                type="checkbox"
                checked={chosen.includes(name)}
                onChange={(event) =>
                  setPicked(
                    event.currentTarget.checked ? [...chosen, name] : chosen.filter((one) => one !== name),
                  )
                }
              />
              {name}
            </label>
          ))}
        </fieldset>
      </Card>
      <Charts course={data} chosen={chosen} />
    </>
  );
}
