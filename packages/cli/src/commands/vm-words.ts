/**
 * Formats VMs as text: one VM in lines, many in a table.
 */
import { isCellSample, type ResultOf, type VmSample, type VmView } from "@bioxen/contracts";
import {
  ago,
  amountsLine,
  doublingTime,
  growthRate,
  sameAmounts,
  shownHealth,
  simTime,
} from "../quantities.ts";
import { screenColumns } from "../screen.ts";
import { type TableForm, table } from "../table.ts";
import { paintState } from "../terminal.ts";

/** Text in place of an empty list of all VMs. */
export const NO_VM = "no VM exists; create one with:\n  bioxen vm create c1 --type syn3a --start";

const VM_COLUMNS = [
  { head: "VM" },
  { head: "TYPE", importance: 5 },
  { head: "STATE" },
  { head: "CHASSIS", importance: 8 },
  { head: "DOUBLING", importance: 7 },
  { head: "HEALTH", importance: 6 },
  { head: "RIBOSOMES", importance: 2 },
  { head: "PRIO", importance: 1 },
  { head: "AGE", importance: 3 },
  { head: "REASON", importance: 4 },
] as const;

/** Columns of the wide table beside {@link VM_COLUMNS}. */
const WIDE_COLUMNS = [
  "VM TYPE",
  "GUEST",
  "RNAP",
  "ATP/S",
  "DNA KB",
  "VCPUS",
  "MEM MIB",
  "VERSION",
  "LABELS",
] as const;

/**
 * Returns a table of VMs; without VMs, a text that says so. `samples` has the latest measurements by VM id; absent: the
 * table has no columns of measurements. The column of reasons is present when a VM has a reason.
 */
export function vmTable(
  vms: readonly VmView[],
  nowMs: number,
  samples?: ReadonlyMap<string, VmSample>,
  { hasHeader, isWide = false }: TableForm = {},
): string {
  if (vms.length === 0) return "no VMs";
  const rows = vms.map((vm) => {
    const sample = samples?.get(vm.vmId);
    return [
      vm.vmId,
      vm.biologicalType,
      paintState(vm.state),
      vm.chassisId ?? "–",
      doublingTime(sample?.doublingTimeMinutes),
      sample === undefined ? "–" : healthWord(sample, "–"),
      String(vm.allocation?.["ribosomes"] ?? "–"),
      String(vm.priority),
      ago(nowMs - vm.createdAtMs),
      vm.reason ?? "",
    ];
  });
  const isShown = ({ head }: { readonly head: string }) =>
    (samples !== undefined || (head !== "DOUBLING" && head !== "HEALTH")) &&
    (head !== "REASON" || vms.some(({ reason }) => reason !== null));
  const kept = VM_COLUMNS.map((column, i) => ({ column, i })).filter(({ column }) => isShown(column));
  const heads = kept.map(({ column }) => column);
  const cells = rows.map((row) => kept.map(({ i }) => row[i] ?? ""));
  const form = { hasHeader: hasHeader ?? true };
  if (!isWide) return table(heads, cells, screenColumns(), form);
  return table(
    [...heads, ...WIDE_COLUMNS],
    cells.map((row, i) => [...row, ...wideCells(vms[i], samples?.get(vms[i]?.vmId ?? ""))]),
    undefined,
    form,
  );
}

function wideCells(vm: VmView | undefined, sample: VmSample | undefined): string[] {
  if (vm === undefined) return [];
  const amount = (name: string) => String(vm.allocation?.[name] ?? "–");
  const labels = Object.entries(vm.labels).map(([name, value]) => `${name}=${value}`);
  return [
    vm.vmType,
    sample === undefined ? "–" : isCell(sample) ? "cell" : "machine",
    amount("rnaPolymerases"),
    amount("atpPerSecond"),
    amount("dnaKilobases"),
    amount("vcpus"),
    amount("memoryMiB"),
    String(vm.version),
    labels.join(","),
  ];
}

export function vmWords(vm: VmView, sample: VmSample | null, nowMs = Date.now()): string {
  const place = vm.chassisId === null ? "" : ` on ${vm.chassisId}`;
  const lines = [`${vm.vmId}: ${vm.biologicalType} (${vm.vmType}), ${paintState(vm.state)}${place}`];
  if (vm.reason !== null) lines.push(`  reason      ${vm.reason}`);
  lines.push(...parentLines(vm));
  lines.push(...startLines(vm, nowMs), ...resourceLines(vm), ...scheduleLines(vm), ...timeLines(vm));
  if (vm.preemption?.active === true) {
    const { mode, by, byPriority } = vm.preemption;
    lines.push(
      `  preempted   ${mode} for ${by} (priority ${byPriority}); guaranteed: ${amountsLine(vm.guarantee)}`,
    );
  }
  lines.push(
    `  version ${vm.version}, incarnation ${vm.incarnation}, seed ${vm.seed}, priority ${vm.priority}`,
  );
  if (sample !== null) lines.push(...sampleLines(sample));
  return lines.join("\n");
}

/** Returns the mother or the parent of the VM, and how the VM came from it. */
function parentLines({ parent, birth }: VmView): string[] {
  if (parent === null) return [];
  if (birth === undefined) return [`  fork of     ${parent}`];
  return [`  born of     ${parent}, by its division ${birth.division} at ${simTime(birth.simMinute)}`];
}

/** Returns how far a long start is, and the last refusal of a start by the host. */
function startLines({ state, startPermille, refusedStart }: VmView, nowMs: number): string[] {
  const lines: string[] = [];
  if (state === "starting" && startPermille !== undefined) {
    lines.push(`  start       ${Math.round(startPermille / 10)} % done`);
  }
  if (refusedStart === undefined) return lines;
  const { chassisId, hostCode, code, tries, atMs, retryAtMs } = refusedStart;
  const next =
    state === "starting" || state === "pending" ? `; next try in ${ago(Math.max(0, retryAtMs - nowMs))}` : "";
  const roomWords = state === "pending" ? ", or when room comes" : "";
  lines.push(
    `  refused     ${hostCode ?? code} by ${chassisId}, try ${tries}, ${ago(nowMs - atMs)} ago${next}${roomWords}`,
  );
  return lines;
}

/** Returns the request and the allocation; one line when they are equal, or when nothing is allocated. */
function resourceLines({ request, allocation }: VmView): string[] {
  if (allocation === null) return [`  request     ${amountsLine(request)}; nothing is allocated`];
  if (sameAmounts(request, allocation)) return [`  allocation  ${amountsLine(allocation)} (as requested)`];
  return [`  request     ${amountsLine(request)}`, `  allocation  ${amountsLine(allocation)}`];
}

/** Number of entries of a schedule that are shown; `--json` has all of them. */
const SHOWN_ENTRIES = 10;

function timeLines({ timeScale, until }: VmView): string[] {
  const scale = timeScale === undefined ? [] : ["  time scale  max: as fast as its agent can"];
  if (until === undefined) return scale;
  const what = until.then === "pause" ? "pauses" : "stops";
  const then = until.reached ? "reached" : `${what} there`;
  return [...scale, `  until       ${simTime(until.simMinutes)}, ${then}`];
}

function scheduleLines({ schedule = [] }: VmView): string[] {
  const lines = schedule.slice(0, SHOWN_ENTRIES).map(({ atMinute, environment = {}, allocation }, i) => {
    const medium = Object.entries(environment).map(([name, value]) => `${name} ${value}`);
    const changes = [...medium, ...(allocation === undefined ? [] : [amountsLine(allocation)])];
    return `  ${i === 0 ? "schedule  " : "          "}  at ${simTime(atMinute)}: ${changes.join(", ")}`;
  });
  const left = schedule.length - SHOWN_ENTRIES;
  return left > 0 ? [...lines, `              and ${left} more entries`] : lines;
}

/** Returns whether a guest is a cell; that in a machine may not be measured yet. */
function isCell(sample: VmSample): boolean {
  return isCellSample(sample) || sample.machine?.agent?.state === "running";
}

function healthWord(sample: VmSample, unknown: string): string {
  const health = shownHealth(sample);
  return health === null ? unknown : String(Math.round(health));
}

function sampleLines(sample: VmSample): string[] {
  const { machine } = sample;
  if (machine === undefined) return cellLines(sample);
  const cell = isCellSample(sample) ? cellLines(sample) : [];
  return [`  guest       ${guestWords(sample)}`, ...cell, ...machineLines(sample, machine)];
}

type Machine = NonNullable<VmSample["machine"]>;

/**
 * Returns the lines that `vm explain` prints about the cell in the machine of a VM: what the VM asks of a cell, what that
 * takes, and what its machine has now. Empty for a VM that is no machine.
 */
export function cellNeedLines(
  { cellNeeds, state }: Pick<ResultOf<"placementExplain">, "cellNeeds" | "state">,
  sample: VmSample | null,
): string[] {
  if (cellNeeds === undefined) return [];
  const needs =
    cellNeeds.length === 0
      ? "It asks for no cell: it starts with and without the guest agent bioxen-cell in its machine."
      : `It asks for a cell (${cellNeeds.join(", ")}): its start waits for the guest agent bioxen-cell in its machine, and fails without one.`;
  const waits = cellNeeds.length > 0 && state === "starting";
  if (waits) return [needs, "Its machine has not reported that cell yet."];
  return sample?.machine === undefined ? [needs] : [needs, `Its guest now: ${guestWords(sample)}.`];
}

/** Returns whether a machine is a cell, or only a machine and why. */
function guestWords(sample: VmSample): string {
  const agent = sample.machine?.agent;
  if (agent === undefined) return "machine; its agent does not tell of guest agents";
  if (agent === null) return "machine without a cell: no guest agent has reported";
  const which = `guest agent ${agent.version}, model ${agent.model}`;
  if (isCellSample(sample)) return `cell in a machine (${which})`;
  if (agent.state === "running") return `cell in a machine (${which}), not measured`;
  return `machine; its guest agent has no cell (${agent.state}): ${agent.reason ?? "it gives no reason"}`;
}

function machineLines(sample: VmSample, machine: Machine): string[] {
  const { vcpus, cpuPermille, memoryMiB, memoryUsedMiB, uptimeMinutes = sample.simMinutes } = machine;
  const health = isCellSample(sample)
    ? ""
    : `, health ${healthWord(sample, "unknown: its pool does not measure it, and the log of its agent says why")}`;
  return [
    `  processor   ${cpuPermille === null ? "not measured" : `${(cpuPermille / 10).toFixed(1)} %`} of ${vcpus} vCPUs`,
    `  memory      ${memoryUsedMiB ?? "?"} of ${memoryMiB} MiB used`,
    `  address     ${machine.address ?? "not known"}, host ${machine.host ?? "not known"}`,
    `  uptime      ${simTime(uptimeMinutes)}${health}`,
  ];
}

function cellLines(sample: VmSample): string[] {
  const { ribosomes, atp } = sample;
  const divisions = sample.divisions === 1 ? "1 division" : `${sample.divisions} divisions`;
  return [
    `  doubling    ${doublingTime(sample.doublingTimeMinutes)}  (${growthRate(sample.growthRatePerMinute ?? 0)})`,
    ...(ribosomes === undefined
      ? []
      : [
          `  ribosomes   ${ribosomes.engaged.toFixed(0)} engaged, at most ${ribosomes.cap}; ${ribosomes.total.toFixed(0)} in the cell`,
        ]),
    ...(atp === undefined
      ? []
      : [`  ATP         ${atp.perSecond.toFixed(0)} per s, at most ${atp.capPerSecond}`]),
    ...outputLines(sample.outputs ?? {}),
    `  age         ${simTime(sample.simMinutes)} of simulated time, ${divisions}, health ${Math.round(sample.health)}`,
  ];
}

/** Significant digits of an output. `--json` has all. */
const OUTPUT_DIGITS = 5;

function outputLines(outputs: Readonly<Record<string, number>>): string[] {
  return Object.entries(outputs).map(
    ([name, value], i) =>
      `  ${i === 0 ? "outputs " : "        "}    ${name} ${Number(value.toPrecision(OUTPUT_DIGITS))}`,
  );
}
