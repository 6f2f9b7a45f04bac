/**
 * `bioxen vm ls`, and `bioxen ps` as its short form.
 */
import { type RequestOf, VM_STATES, type VmSample, type VmView } from "@bioxen/contracts";
import type { Command } from "commander";
import { type ListOptions, showList, sortedBy, withListOptions, withSort } from "../lists.ts";
import { oneOf } from "../parse.ts";
import { sayJson, withSession } from "../run.ts";
import type { Session } from "../session.ts";
import { NO_VM, vmTable } from "./vm-words.ts";

/** Longest wait for the measurements, ms: the list itself is there already. */
const SAMPLES_TIMEOUT_MS = 2_000;

interface Measured {
  readonly vm: VmView;
  readonly sample: VmSample | undefined;
}

/** The values by which VMs can be sorted. A VM without the value comes last. */
const SORT_VALUES = {
  id: ({ vm }: Measured) => vm.vmId,
  type: ({ vm }: Measured) => vm.biologicalType,
  state: ({ vm }: Measured) => vm.state,
  chassis: ({ vm }: Measured) => vm.chassisId,
  doubling: ({ sample }: Measured) => sample?.doublingTimeMinutes,
  health: ({ sample }: Measured) => sample?.health,
  ribosomes: ({ vm }: Measured) => vm.allocation?.["ribosomes"],
  priority: ({ vm }: Measured) => vm.priority,
  age: ({ vm }: Measured) => -vm.createdAtMs,
} as const;

interface VmListOptions extends ListOptions {
  readonly state?: VmView["state"];
  readonly label?: string;
  readonly chassis?: string;
  readonly sort?: string;
}

export function addListCommand(vm: Command): void {
  listCommand(vm, "ls").alias("list").alias("ps");
}

export function addPsCommand(program: Command): void {
  listCommand(program, "ps");
}

function listCommand(parent: Command, name: string): Command {
  const command = parent
    .command(name)
    .description("list VMs, destroyed ones only with --state destroyed")
    .addOption(oneOf("--state <state>", "only VMs in this state", VM_STATES))
    .option("--label <label>", "only VMs with this label: name or name=value")
    .option("--chassis <id>", "only VMs on this chassis");
  return withSort(withListOptions(command, { wide: true }), Object.keys(SORT_VALUES)).action(listVms);
}

async function listVms(options: VmListOptions, command: Command): Promise<void> {
  await withSession(command, async (session, { json }) => {
    const found = await session.listAllVms(requestOf(options));
    const isMeasured = found.length > 0 && options.quiet !== true && json !== true;
    const needsSamples = isMeasured || ["doubling", "health"].includes(options.sort?.replace("-", "") ?? "");
    const samples = needsSamples ? await latestSamples(session) : new Map<string, VmSample>();
    const all = found.map((vm) => ({ vm, sample: samples.get(vm.vmId) }));
    const vms = sortedBy(all, options.sort, SORT_VALUES).map(({ vm }) => vm);
    if (json === true) return sayJson({ ok: true, vms, cursor: null });
    showList(options, {
      ids: vms.map(({ vmId }) => vmId),
      empty: isFiltered(options) ? "no VM matches; list all with: bioxen vm ls" : NO_VM,
      table: (form) => vmTable(vms, Date.now(), samples, form),
    });
  });
}

function requestOf({ state, label, chassis }: VmListOptions): RequestOf<"vmList"> {
  return {
    ...(state ? { state } : {}),
    ...(label ? { label } : {}),
    ...(chassis ? { chassisId: chassis } : {}),
  };
}

function isFiltered({ state, label, chassis }: VmListOptions): boolean {
  return Boolean(state ?? label ?? chassis);
}

/**
 * Returns the latest measurement of each VM by its id. Without an answer of the monitor it is empty: the list of VMs
 * comes from another service, and is shown in any case.
 */
async function latestSamples(session: Session): Promise<Map<string, VmSample>> {
  const reply = await session
    .call("monitorFleet", {}, { timeoutMs: SAMPLES_TIMEOUT_MS })
    .catch(() => undefined);
  return new Map((reply?.ok === true ? reply.samples : []).map((sample) => [sample.vmId, sample]));
}
