/**
 * Experiments: the list, and starting one from a file or in a form.
 */
import { useState } from "preact/hooks";
import { all, command } from "../api/client.ts";
import { fleet, mayCommand, viewsTick } from "../live.ts";
import type { ExperimentView } from "../model/types.ts";
import { count } from "../model/words.ts";
import { go, to } from "../router.ts";
import { Badge, Button, Card, Empty, ErrorNote, Loading, Time } from "../ui/basics.tsx";
import { say } from "../ui/messages.tsx";
import { Page } from "../ui/page.tsx";
import { Table } from "../ui/table.tsx";
import { useQuery } from "../ui/use-query.ts";

/** The newest event of an experiment, or of all: queries are asked again when it grows. */
export function lastExperimentEvent(id?: string): number {
  const isOwn = (subject: string) =>
    id === undefined ? subject.startsWith("experiment/") : subject === `experiment/${id}`;
  return fleet.events.findLast(({ subject }) => isOwn(subject))?.seq ?? 0;
}

export function Progress({ experiment }: { readonly experiment: ExperimentView }) {
  const { recorded, failed, vmCount } = experiment;
  const text = `${count(recorded)} of ${count(vmCount)} recorded${failed > 0 ? `, ${count(failed)} failed` : ""}`;
  return (
    <span class="progress-cell">
      <progress max={Math.max(1, vmCount)} value={recorded + failed} aria-label={text} />
      <span class="num small">{text}</span>
    </span>
  );
}

export function ExperimentsView() {
  void viewsTick.value;
  const { data, error, reload } = useQuery(
    () => all<ExperimentView>("experiment", "list", "experiments"),
    [lastExperimentEvent()],
  );
  return (
    <Page
      title="Experiments"
      actions={
        mayCommand.value && (
          <a class="button primary" href={to(["experiments", "new"])}>
            Start an experiment
          </a>
        )
      }
    >
      {error !== undefined && <ErrorNote error={error} retry={reload} />}
      <Card class="flush" label="List of experiments">
        {data === undefined && error === undefined && <Loading />}
        {data?.length === 0 && (
          <Empty title="There is no experiment yet">
            {mayCommand.value && <a href={to(["experiments", "new"])}>Start the first one</a>}
          </Empty>
        )}
        {data !== undefined && data.length > 0 && (
          <Table<ExperimentView>
            caption="Experiments"
            rows={data}
            keyOf={(one) => one.experimentId}
            columns={[
              ["Experiment", (one) => <a href={to(["experiments", one.experimentId])}>{one.experimentId}</a>],
              ["Status", (one) => <Badge state={one.status} />],
              ["Progress", (one) => <Progress experiment={one} />],
              ["Owner", (one) => one.owner],
              ["Until", (one) => `${count(one.untilMinute)} min`, "num"],
              ["Started", (one) => <Time ms={one.startedAtMs} withAge />],
            ]}
          />
        )}
      </Card>
    </Page>
  );
}

const EXAMPLE = {
  experiment: "growth-law",
  base: { biologicalType: "syn3a" },
  sweep: { "resources.ribosomes": ["25%", "50%", "75%", "100%"] },
  replicates: 2,
  seed: 1,
  untilMinute: 600,
  record: { everyMinutes: 10 },
  keep: false,
};

interface Fields {
  readonly experiment: string;
  readonly biologicalType: string;
  readonly path: string;
  readonly values: string;
  readonly replicates: string;
  readonly untilMinute: string;
  readonly everyMinutes: string;
}

/** The file that the form describes. A swept value is JSON where it can be read as JSON, otherwise a text. */
export function fileOf(fields: Fields): object {
  const values = fields.values
    .split(",")
    .map((text) => text.trim())
    .filter(Boolean)
    .map((text): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        return text;
      }
    });
  return {
    experiment: fields.experiment,
    base: { biologicalType: fields.biologicalType },
    sweep: { [fields.path]: values },
    replicates: Number(fields.replicates),
    seed: 1,
    untilMinute: Number(fields.untilMinute),
    record: { everyMinutes: Number(fields.everyMinutes) },
    keep: false,
  };
}

function Form({ onFile }: { readonly onFile: (text: string) => void }) {
  const [fields, setFields] = useState<Fields>({
    experiment: "growth-law",
    biologicalType: "syn3a",
    path: "resources.ribosomes",
    values: "25%, 50%, 75%, 100%",
    replicates: "2",
    untilMinute: "600",
    everyMinutes: "10",
  });
  const change = (name: keyof Fields, value: string) => {
    const next = { ...fields, [name]: value };
    setFields(next);
    onFile(JSON.stringify(fileOf(next), undefined, 2));
  };
  const field = (name: keyof Fields, title: string) => (
    <label class="field">
      <span>{title}</span>
      <input value={fields[name]} onInput={(event) => change(name, event.currentTarget.value)} />
    </label>
  );
  const select = (name: keyof Fields, title: string, values: readonly string[]) => (
    <label class="field">
      <span>{title}</span>
      <select value={fields[name]} onChange={(event) => change(name, event.currentTarget.value)}>
        {values.map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
    </label>
  );
  const paths = [
    "resources.ribosomes",
    "resources.atpPerSecond",
    "resources.rnaPolymerases",
    "environment.nutrientQuality",
    "environment.chloramphenicolMicromolar",
  ];
  return (
    <div class="form-grid">
      {field("experiment", "Id")}
      {select("biologicalType", "Biological type", ["syn3a", "minimal_cell", "ecoli"])}
      {select("path", "Swept field", paths)}
      {field("values", "Its values, with commas")}
      {field("replicates", "Replicates")}
      {field("untilMinute", "Until minute")}
      {field("everyMinutes", "Record every … minutes")}
    </div>
  );
}

export function NewExperiment() {
  const [text, setText] = useState(JSON.stringify(EXAMPLE, undefined, 2));
  const [error, setError] = useState<unknown>();
  const [isSending, setSending] = useState(false);
  const start = async () => {
    setError(undefined);
    setSending(true);
    try {
      const file = JSON.parse(text) as { experiment?: string };
      const { experiment } = await command<{ experiment: ExperimentView }>("experiment", "start", { file });
      say(`${experiment.experimentId} is started`);
      go(to(["experiments", experiment.experimentId]));
    } catch (thrown) {
      setError(thrown instanceof SyntaxError ? new Error(`the file is not JSON: ${thrown.message}`) : thrown);
    }
    setSending(false);
  };
  return (
    <Page
      title="Start an experiment"
      lead="A file describes one. The form writes it; an existing file can be read."
    >
      <div class="charts">
        <Card title="Form">
          <Form onFile={setText} />
        </Card>
        <Card title="File">
          <label class="field">
            <span>Read a JSON file</span>
            <input
              type="file"
              accept="application/json,.json"
              onChange={(event) => {
                const [file] = event.currentTarget.files ?? [];
                if (file !== undefined) void file.text().then(setText);
              }}
            />
          </label>
          <label class="field">
            <span>Contents</span>
            <textarea
              rows={16}
              value={text}
              spellcheck={false}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          </label>
          {error !== undefined && <ErrorNote error={error} />}
          <div class="row end">
            <Button kind="primary" disabled={isSending} onClick={() => void start()}>
              Start
            </Button>
          </div>
        </Card>
      </div>
    </Page>
  );
}
