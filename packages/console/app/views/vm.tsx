/**
 * One VM: its state, what it has, where it is and why; tabs for its course, history, snapshots and prompt.
 */

import { query } from "../api/client.ts";
import { relativeGrowth } from "../charts/palette.ts";
import { fleet, mayCommand, nowMs, samplesTick, viewsTick } from "../live.ts";
import type { Result, VmView } from "../model/types.ts";
import { figure, percent, span, typeName } from "../model/words.ts";
import { route, to } from "../router.ts";
import {
  Age,
  AmountsTable,
  Badge,
  Card,
  Empty,
  ErrorNote,
  Facts,
  type Figure,
  Figures,
  Loading,
  Time,
} from "../ui/basics.tsx";
import { Page } from "../ui/page.tsx";
import { useQuery } from "../ui/use-query.ts";
import { VmActions } from "./vm-actions.tsx";
import { CourseTab } from "./vm-course.tsx";
import { HistoryTab } from "./vm-history.tsx";
import { LiveCharts } from "./vm-live.tsx";
import { PromptTab } from "./vm-prompt.tsx";
import { SnapshotsTab } from "./vm-snapshots.tsx";

const TABS = [
  ["", "Overview"],
  ["course", "Course"],
  ["history", "History"],
  ["snapshots", "Snapshots"],
  ["prompt", "Prompt"],
  ["settings", "Settings"],
] as const;

function KeyFigures({ vm }: { readonly vm: VmView }) {
  void samplesTick.value;
  const sample = fleet.samples.get(vm.vmId);
  const growth = relativeGrowth(vm, sample);
  const doubling = sample?.doublingTimeMinutes;
  const figures: readonly Figure[] = [
    ["Doubling time", doubling == null ? "–" : figure(doubling), "min"],
    ["Growth", growth === undefined ? "–" : percent(growth), "of ref."],
    ["Ribosomes", sample?.ribosomes === undefined ? "–" : figure(sample.ribosomes.engaged), "engaged"],
    ["ATP", sample?.atp === undefined ? "–" : figure(sample.atp.perSecond), "per s"],
    ["Health", sample === undefined ? "–" : String(Math.round(sample.health)), "of 100"],
    ["Simulated", sample === undefined ? "–" : figure(sample.simMinutes / 60), "h"],
    ["Divisions", sample?.divisions === undefined ? "–" : String(sample.divisions)],
  ];
  return <Figures label="Telemetry" figures={figures} />;
}

function Explanation({ vm }: { readonly vm: VmView }) {
  const { data, error, isLoading } = useQuery(
    () => query<Result<"placementExplain">>("placement", "explain", { vmId: vm.vmId }),
    [vm.vmId, vm.state, vm.chassisId],
  );
  return (
    <Card title="Where, and why there">
      {error !== undefined && <ErrorNote error={error} />}
      {data === undefined && isLoading && <Loading lines={3} />}
      {data !== undefined && (
        <>
          <p>{data.summary}</p>
          <table class="plain-table">
            <caption class="visually-hidden">Every chassis with its score or its refusal</caption>
            <thead>
              <tr>
                <th scope="col">Chassis</th>
                <th scope="col" class="num">
                  Score
                </th>
                <th scope="col">Refusal</th>
              </tr>
            </thead>
            <tbody>
              {data.candidates.map(({ chassisId, score, refusal }) => (
                <tr key={chassisId}>
                  <th scope="row">
                    <a href={to(["chassis", chassisId])}>{chassisId}</a>
                  </th>
                  <td class="num">{score ?? "–"}</td>
                  <td>{refusal?.message ?? "–"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </Card>
  );
}

function Overview({ vm }: { readonly vm: VmView }) {
  void samplesTick.value;
  const sample = fleet.samples.get(vm.vmId);
  return (
    <>
      <KeyFigures vm={vm} />
      <LiveCharts vm={vm} />
      <div class="columns">
        <Explanation vm={vm} />
        <Card title="Resources">
          <AmountsTable
            caption="Amounts of the VM"
            rows={[
              ["Request", vm.request],
              ["Allocation", vm.allocation],
              ...(sample?.granted === undefined
                ? []
                : [["Granted", sample.granted] as [string, Record<string, number>]]),
            ]}
          />
        </Card>
        <Card title="Facts">
          <Facts
            facts={[
              ["Type", `${typeName(vm.biologicalType)} (${vm.vmType})`],
              ["Owner", vm.owner],
              ["Priority", vm.priority],
              ["Seed", <code key="seed">{vm.seed}</code>],
              ["Created", <Time key="created" ms={vm.createdAtMs} withAge />],
              ["Changed", <Time key="changed" ms={vm.updatedAtMs} withAge />],
              ["Version", `${vm.version}, incarnation ${vm.incarnation}`],
              [
                "Labels",
                Object.entries(vm.labels)
                  .map(([name, value]) => `${name}=${value}`)
                  .join(", ") || "none",
              ],
              [
                "Medium at creation",
                Object.entries(vm.environment)
                  .map(([name, value]) => `${name} ${value}`)
                  .join(", ") || "default of the type",
              ],
              [
                "Parent",
                vm.parent === null ? (
                  "none"
                ) : (
                  <a key="parent" href={to(["vms", vm.parent])}>
                    {vm.parent}
                  </a>
                ),
              ],
            ]}
          />
        </Card>
      </div>
    </>
  );
}

function Settings({ vm }: { readonly vm: VmView }) {
  const { restartPolicy, placement, config, schedule, until, record, timeScale, environment } = vm;
  const shown = { restartPolicy, placement, environment, config, schedule, until, record, timeScale };
  return (
    <Card title="Settings">
      <pre class="code-block">{JSON.stringify(shown, undefined, 2)}</pre>
    </Card>
  );
}

/** Why the VM is in its state, in a sentence; undefined when the state says enough. */
function reasonOf(vm: VmView): string | undefined {
  if (vm.refusedStart !== undefined)
    return `${vm.refusedStart.chassisId} refused the start: ${vm.refusedStart.reason}`;
  if (vm.state === "pending" && vm.refusals.length > 0) {
    return `Waits: ${vm.refusals.map(({ chassisId, message }) => `${chassisId ?? "cluster"}: ${message}`).join("; ")}`;
  }
  return vm.reason ?? undefined;
}

function Lead({ vm }: { readonly vm: VmView }) {
  const since = vm.pendingSinceMs === null ? vm.updatedAtMs : vm.pendingSinceMs;
  return (
    <span class="row">
      <Badge state={vm.state} />
      {vm.chassisId !== null && (
        <span>
          on <a href={to(["chassis", vm.chassisId])}>{vm.chassisId}</a>
        </span>
      )}
      {vm.migration !== null && (
        <span>
          moving to {vm.migration.toChassisId ?? "any chassis"}: {vm.migration.reason}
        </span>
      )}
      <span class="muted">
        {vm.state === "pending" ? (
          `waits for ${span(nowMs.value - since)}`
        ) : (
          <>
            changed <Age ms={since} />
          </>
        )}
      </span>
    </span>
  );
}

export function VmPage({ vmId }: { readonly vmId: string }) {
  void viewsTick.value;
  const known = fleet.vms.get(vmId);
  // A destroyed VM is not in the fleet, but its history and course stay.
  const asked = useQuery(
    async () => (known === undefined ? query<{ vm: VmView }>("vm", "get", { vmId }) : undefined),
    [vmId, known === undefined, fleet.loaded],
  );
  const vm = known ?? asked.data?.vm;
  const { tab = "" } = route.value.fields;
  if (vm === undefined) {
    return (
      <Page title={vmId}>
        {asked.error === undefined ? (
          <Loading lines={8} />
        ) : (
          <Card>
            <ErrorNote error={asked.error} />
            <Empty title="This VM is not there">
              <a href={to(["vms"])}>All VMs</a>
            </Empty>
          </Card>
        )}
      </Page>
    );
  }
  const reason = reasonOf(vm);
  return (
    <Page title={vm.vmId} lead={<Lead vm={vm} />} actions={mayCommand.value && <VmActions vm={vm} />}>
      {reason !== undefined && <p class="note">{reason}</p>}
      <nav class="tabs" aria-label={`Parts of ${vm.vmId}`}>
        {TABS.map(([name, title]) => (
          <a
            key={name}
            href={to(["vms", vmId], { tab: name })}
            aria-current={tab === name ? "page" : undefined}
          >
            {title}
          </a>
        ))}
      </nav>
      {tab === "course" && <CourseTab vm={vm} />}
      {tab === "history" && <HistoryTab vm={vm} />}
      {tab === "snapshots" && <SnapshotsTab vm={vm} />}
      {tab === "prompt" && <PromptTab vm={vm} />}
      {tab === "settings" && <Settings vm={vm} />}
      {!["course", "history", "snapshots", "prompt", "settings"].includes(tab) && <Overview vm={vm} />}
    </Page>
  );
}
