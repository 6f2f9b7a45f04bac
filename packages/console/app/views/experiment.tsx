/**
 * One experiment: its progress, its figures, its VMs, and its results as files.
 */
import { plotSvg, replicatesPlot } from "@bioxen/plot";
import { useMemo, useState } from "preact/hooks";
import { command, query } from "../api/client.ts";
import { mayCommand, viewsTick } from "../live.ts";
import { namesIn, numbersOf, type Results, resultsCsv, valueIn } from "../model/results.ts";
import type { ExperimentView, ExperimentVmView, Result } from "../model/types.ts";
import { count, figure } from "../model/words.ts";
import { to } from "../router.ts";
import { Badge, Button, Card, Empty, ErrorNote, Facts, Loading, Time } from "../ui/basics.tsx";
import { confirmed } from "../ui/dialog.tsx";
import { act } from "../ui/messages.tsx";
import { Page } from "../ui/page.tsx";
import { saveText } from "../ui/save.ts";
import { Table } from "../ui/table.tsx";
import { useQuery } from "../ui/use-query.ts";
import { lastExperimentEvent, Progress } from "./experiments.tsx";

interface Read extends Results {
  readonly experiment: ExperimentView;
  readonly file: Readonly<Record<string, unknown>>;
}

async function read(experimentId: string): Promise<Read> {
  const vms: ExperimentVmView[] = [];
  let columnSets: Results["columnSets"] = [];
  let cursor: string | undefined;
  for (;;) {
    const page = await query<Result<"experimentGet"> & { cursor?: string | null }>("experiment", "get", {
      experimentId,
      cursor,
    });
    vms.push(...page.vms);
    if (page.columnSets.length > columnSets.length) columnSets = page.columnSets;
    cursor = page.cursor ?? undefined;
    if (cursor === undefined) return { experiment: page.experiment, file: page.file, columnSets, vms };
  }
}

function Figure({ results, id }: { readonly results: Read; readonly id: string }) {
  const names = namesIn(results);
  const numeric = names.filter((name) =>
    results.vms.some((vm) => numbersOf(valueIn(results, vm, name)) !== undefined),
  );
  const swept = numeric.find((name) => results.vms[0] !== undefined && name in results.vms[0].values);
  const [x, setX] = useState<string | undefined>();
  const [y, setY] = useState<string | undefined>();
  const xName = x ?? swept ?? numeric[0] ?? "";
  const yName = y ?? numeric.find((name) => /growth/i.test(name)) ?? numeric.at(-1) ?? "";
  const svg = useMemo(() => {
    const points = results.vms.flatMap((vm) => {
      const at = numbersOf(valueIn(results, vm, xName));
      return at === undefined ? [] : [{ x: at, y: numbersOf(valueIn(results, vm, yName)) ?? null }];
    });
    if (points.length === 0) return undefined;
    return plotSvg(replicatesPlot({ x: { name: xName, unit: "1" }, y: { name: yName, unit: "1" } }, points));
  }, [results, xName, yName]);
  const select = (title: string, value: string, set: (name: string) => void) => (
    <label class="field">
      <span>{title}</span>
      <select value={value} onChange={(event) => set(event.currentTarget.value)}>
        {numeric.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
  return (
    <Card
      title="Figure"
      actions={
        svg !== undefined && (
          <Button onClick={() => saveText(`${id}.svg`, "image/svg+xml", svg)}>Download SVG</Button>
        )
      }
    >
      {svg === undefined ? (
        <p class="muted">A figure appears with the first result.</p>
      ) : (
        <>
          <div class="row">
            {select("x", xName, setX)}
            {select("y", yName, setY)}
          </div>
          {/* An image of its own: styles inside of the SVG do not touch the page, and its texts stay texts. */}
          <img
            class="plot"
            alt={`${yName} over ${xName}`}
            src={`data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`}
          />
        </>
      )}
    </Card>
  );
}

function Vms({ results }: { readonly results: Read }) {
  const [shown, setShown] = useState(50);
  return (
    <Card class="flush" title={`${count(results.vms.length)} VMs`}>
      <Table<ExperimentVmView>
        caption="VMs of the experiment"
        rows={results.vms.slice(0, shown)}
        keyOf={(vm) => vm.vmId}
        columns={[
          ["VM", (vm) => <a href={to(["vms", vm.vmId])}>{vm.vmId}</a>],
          [
            "Values",
            (vm) =>
              Object.entries(vm.values)
                .map(
                  ([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`,
                )
                .join(", "),
          ],
          ["Replicate", (vm) => vm.replicate, "num"],
          ["Status", (vm) => <Badge state={vm.status} />],
          ["Rows", (vm) => (vm.rowCount === null ? "–" : count(vm.rowCount)), "num"],
          ["Reason", (vm) => vm.reason ?? ""],
        ]}
      />
      {results.vms.length > shown && (
        <Button kind="quiet" onClick={() => setShown(shown + 200)}>
          Show more
        </Button>
      )}
    </Card>
  );
}

export function ExperimentPage({ id }: { readonly id: string }) {
  void viewsTick.value;
  const { data, error, isLoading } = useQuery(() => read(id), [id, lastExperimentEvent(id)]);
  // While it is asked again, the last answer stays.
  const [last, setLast] = useState<Read | undefined>();
  if (data !== undefined && data !== last) setLast(data);
  const results = data ?? (last?.experiment.experimentId === id ? last : undefined);
  if (results === undefined) {
    return (
      <Page title={id}>
        {error !== undefined ? (
          <ErrorNote error={error} />
        ) : isLoading ? (
          <Loading lines={8} />
        ) : (
          <Empty title="This experiment is not there" />
        )}
      </Page>
    );
  }
  const { experiment, file } = results;
  const isRunning = experiment.status === "running";
  const cancel = async () => {
    if (
      !(await confirmed(`Cancel ${id}?`, "Its VMs are destroyed. Results that are stored stay.", "Cancel it"))
    )
      return;
    await act(`${id} is being cancelled`, () => command("experiment", "cancel", { experimentId: id }));
  };
  return (
    <Page
      title={id}
      lead={
        <span class="row">
          <Badge state={experiment.status} /> <Progress experiment={experiment} />
        </span>
      }
      actions={
        <>
          <Button onClick={() => saveText(`${id}.csv`, "text/csv", resultsCsv(results))}>
            Download results
          </Button>
          <Button
            onClick={() => saveText(`${id}.json`, "application/json", JSON.stringify(file, undefined, 2))}
          >
            Download file
          </Button>
          {mayCommand.value && isRunning && (
            <Button kind="danger" onClick={() => void cancel()}>
              Cancel
            </Button>
          )}
        </>
      }
    >
      {experiment.reason !== null && <p class="note">{experiment.reason}</p>}
      <div class="columns">
        <Figure results={results} id={id} />
        <Card title="Facts">
          <Facts
            facts={[
              ["Owner", experiment.owner],
              ["Until", `${figure(experiment.untilMinute)} min`],
              ["Rows of a VM", count(experiment.rowsPerVm)],
              ["Running", `${count(experiment.running)}, ${count(experiment.waiting)} wait`],
              ["Seed", experiment.seed],
              ["Started", <Time key="started" ms={experiment.startedAtMs} withAge />],
              [
                "Ended",
                experiment.endedAtMs === null ? (
                  "not yet"
                ) : (
                  <Time key="ended" ms={experiment.endedAtMs} withAge />
                ),
              ],
              ["Version", experiment.bioxenVersion],
              ["Digest", <code key="digest">{experiment.digest.slice(0, 16)}…</code>],
            ]}
          />
        </Card>
      </div>
      <Vms results={results} />
    </Page>
  );
}
