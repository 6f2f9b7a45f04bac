/**
 * What if: the recorded demand placed again under another policy or with other chassis, as `bioxen replay` does it. The
 * page reads the log and computes; nothing is changed.
 */
import type { Outcome, ReplayOptions, ReplayReport, ReplaySummary } from "@bioxen/placement";
import { useState } from "preact/hooks";
import { ApiError } from "../api/client.ts";
import { walkEvents } from "../api/read-events.ts";
import type { ChassisView, LogEvent } from "../model/types.ts";
import { count, percent } from "../model/words.ts";
import { to } from "../router.ts";
import { Button, Card, ErrorNote } from "../ui/basics.tsx";
import { CopyBlock } from "../ui/copy-block.tsx";
import { Table } from "../ui/table.tsx";

const POLICIES = ["bin-pack", "spread"] as const;
const TYPES = ["ecoli", "yeast", "orthogonal"] as const;
/** Differences in the table; `bioxen replay --json` lists all. */
const SHOWN = 40;
/** Longest wait for the next event, ms: the log is there, and a busy server sends it slowly. */
const IDLE_MS = 15_000;
/** Events between two steps of the progress that is shown. */
const PROGRESS_EVERY = 5_000;

interface Choice {
  readonly policy: string;
  readonly without: string;
  readonly type: string;
  readonly number: string;
}

function optionsOf({ policy, without, type, number }: Choice): ReplayOptions {
  const chassisType = TYPES.find((one) => one === type);
  const chosen = POLICIES.find((one) => one === policy);
  return {
    ...(chosen === undefined ? {} : { policy: chosen }),
    ...(without === "" ? {} : { withoutChassis: [without] }),
    ...(chassisType === undefined ? {} : { withChassis: [{ chassisType, count: Number(number) }] }),
  };
}

/** The same question as a command line. */
export function replayLine({ policy, without, type, number }: Choice, toSeq: number): string {
  const parts = [
    policy === "" ? "" : `--policy ${policy}`,
    without === "" ? "" : `--without-chassis ${without}`,
    type === "" ? "" : `--with-chassis ${type}:${number}`,
    `--to ${toSeq}`,
  ];
  return `bioxen replay ${parts.filter(Boolean).join(" ")}`;
}

async function replayed(
  options: ReplayOptions,
  toSeq: number,
  onRead: (seq: number) => void,
): Promise<ReplayReport> {
  const { DemandReplay } = await import("@bioxen/placement");
  const replay = new DemandReplay(options);
  const observe = ({ seq, ...envelope }: LogEvent) => {
    // The replay reads neither the subject nor the digest of a stored event.
    replay.observe({ seq, streamSubject: "", digest: "", envelope } as unknown as Parameters<
      typeof replay.observe
    >[0]);
    if (seq % PROGRESS_EVERY === 0) onRead(seq);
  };
  const last = await walkEvents(1, toSeq, observe, IDLE_MS);
  if (last >= toSeq) return replay.report();
  throw new ApiError({ code: "UNAVAILABLE", message: `the log was read up to event #${last} only` }, 0);
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
const ROWS: readonly (readonly [string, (summary: ReplaySummary) => string])[] = [
  ["Requests for a place", (one) => count(one.demands)],
  ["Placed", (one) => count(one.placed)],
  ["Not placed", (one) => count(one.unplaced)],
  ["Total wait", (one) => seconds(one.totalWaitMs)],
  ["Longest wait", (one) => seconds(one.longestWaitMs)],
  ["Evicted", (one) => count(one.evictions)],
  ["Resizes refused", (one) => count(one.refusedResizes)],
];

function words(outcome: Outcome | null): string {
  if (outcome === null) return "–";
  return `${outcome.chassisId ?? "not placed"} after ${seconds(outcome.waitMs)}`;
}

function Report({ report }: { readonly report: ReplayReport }) {
  const { recorded, baseline, alternative, reproduction, differences } = report;
  return (
    <div class="stack" aria-live="polite">
      <Table<(typeof ROWS)[number]>
        caption="Placement as recorded, decided again, and what if"
        rows={ROWS}
        keyOf={([name]) => name}
        columns={[
          ["Figure", ([name]) => name],
          ["Recorded", ([, value]) => value(recorded), "num"],
          ["Decided again", ([, value]) => value(baseline), "num"],
          ["What if", ([, value]) => value(alternative), "num"],
        ]}
      />
      <p class="small muted">
        Decided again as it was, the model reproduces {count(reproduction.sameChassis)} of{" "}
        {count(reproduction.demands)} placements ({percent(reproduction.permille / 1_000)}).
      </p>
      {differences.length === 0 ? (
        <p>No VM would have another place or wait.</p>
      ) : (
        <Table<(typeof differences)[number]>
          caption="VMs with another place or wait"
          rows={differences.slice(0, SHOWN)}
          keyOf={({ vmId, askedSeq }) => `${vmId} ${askedSeq}`}
          columns={[
            ["VM", ({ vmId }) => <a href={to(["vms", vmId])}>{vmId}</a>],
            ["Requested", ({ askedSeq }) => <a href={to(["log", String(askedSeq)])}>#{askedSeq}</a>, "num"],
            ["Decided again", (one) => words(one.baseline)],
            ["What if", (one) => words(one.alternative)],
          ]}
        />
      )}
      {differences.length > SHOWN && <p class="hint">and {count(differences.length - SHOWN)} more</p>}
    </div>
  );
}

function Select({
  title,
  value,
  none,
  values,
  onChange,
}: {
  readonly title: string;
  readonly value: string;
  readonly none: string;
  readonly values: readonly string[];
  readonly onChange: (value: string) => void;
}) {
  return (
    <label class="field">
      <span>{title}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">{none}</option>
        {values.map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
    </label>
  );
}

export function WhatIf({
  toSeq,
  chassis,
}: {
  readonly toSeq: number;
  readonly chassis: readonly ChassisView[];
}) {
  const [choice, setChoice] = useState<Choice>({ policy: "spread", without: "", type: "", number: "1" });
  const [state, setState] = useState<{ report?: ReplayReport; error?: unknown; read?: number }>({});
  const change = (part: Partial<Choice>) => setChoice({ ...choice, ...part });
  const run = () => {
    setState({ read: 0 });
    replayed(optionsOf(choice), toSeq, (read) => setState({ read })).then(
      (report) => setState({ report }),
      (error: unknown) => setState({ error }),
    );
  };
  return (
    <Card title={`What if, up to event #${toSeq}`}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          run();
        }}
      >
        <div class="form-grid">
          <Select
            title="Policy"
            value={choice.policy}
            none="as recorded"
            values={POLICIES}
            onChange={(policy) => change({ policy })}
          />
          <Select
            title="Without the chassis"
            value={choice.without}
            none="none"
            values={chassis.map(({ chassisId }) => chassisId)}
            onChange={(without) => change({ without })}
          />
          <Select
            title="With more chassis"
            value={choice.type}
            none="none"
            values={TYPES}
            onChange={(type) => change({ type })}
          />
          <label class="field">
            <span>How many more</span>
            <input
              type="number"
              min="1"
              max="100"
              value={choice.number}
              disabled={choice.type === ""}
              onInput={(event) => change({ number: event.currentTarget.value })}
            />
          </label>
        </div>
        <div class="row end">
          <Button type="submit" kind="primary" disabled={state.read !== undefined}>
            {state.read === undefined ? "Replay" : `Reading the log, #${count(state.read)}`}
          </Button>
        </div>
      </form>
      {state.error !== undefined && <ErrorNote error={state.error} />}
      {state.report !== undefined && <Report report={state.report} />}
      <CopyBlock title="Replay as a command line" text={replayLine(choice, toSeq)} />
    </Card>
  );
}
