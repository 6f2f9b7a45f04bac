/**
 * The command resize. For a VM with a place, the ledger first grants all amounts or none; then the VM records them.
 *
 * A cell gets its new amounts at a minute of its simulated time, which its agent names. While a cell has more at another
 * minute that is still to come, the VM holds the larger amounts; `vm-process.ts` releases them afterwards.
 */
import {
  allocationsAfter,
  amountsAt,
  endsWithAgent,
  type Handled,
  isFollowedBy,
  type LedgerEntry,
  type ParsedRequestOf,
  type RequestParts,
  type ResultOf,
  refuse,
  requestParts,
  resourceProblems,
  scheduledAmounts,
  type Vm,
  type VmTypes,
  withDemand,
} from "@bioxen/contracts";
import {
  type Causation,
  equalAmounts,
  expectingAnyVersion,
  Fault,
  largestAmounts,
  UNCHANGED,
} from "@bioxen/kernel";
import { changesProblem, comingAmounts, type HeldGuest } from "../domain/held-minute.ts";
import { badRequest } from "../domain/requested-resources.ts";
import { admit } from "../domain/vm.ts";
import {
  placeChanged,
  preemptedMeanwhile,
  type VmDecision,
  type VmRejection,
} from "../domain/vm-decision.ts";
import { type CommandPorts, executeOn } from "./command-ports.ts";
import { changedAtMinute, heldGuest } from "./held-minute.ts";
import { modelsHere } from "./known-models.ts";
import { resizeInLedger } from "./ledger-resize.ts";

type ResizeRequest = ParsedRequestOf<"vmResize">;
type Resized = Handled<ResultOf<"vmResize">>;

/** A VM with a place, and where its cell is; `at` is undefined for a guest without minutes. */
interface Placed {
  readonly vm: Vm & { readonly chassisId: string; readonly fence: number };
  readonly at: HeldGuest | undefined;
}

export class ResizeCommand {
  readonly #ports: CommandPorts;

  constructor(ports: CommandPorts) {
    this.#ports = ports;
  }

  async resize({ vmId, resources, atMinute }: ResizeRequest, causation: Causation): Promise<Resized> {
    const { vms, ledgers } = this.#ports;
    const { state, version } = await vms.refresh(vmId);
    const { expectedVersion = version } = causation;
    // A repeated command finds its first outcome here; any other command is refused.
    if (expectedVersion !== version) return this.#answer(vmId, causation, UNCHANGED);
    const admitted = admit(vmId, state, "resize");
    if ("answer" in admitted) return this.#answer(vmId, causation, admitted.answer);
    const { vm } = admitted;
    const refusal = refusalOf(vmId, vm, this.#typesOf(vm), resources, atMinute);
    if (refusal !== undefined) return refusal;
    const { chassisId, fence } = vm;
    if (fence === null || chassisId === null) {
      const command = {
        type: "resize",
        vmId,
        ...requestParts(this.#typesOf(vm), resources, vm),
        granted: null,
      } as const;
      return changedAtMinute(vmId, await executeOn(this.#ports, vmId, causation, command));
    }
    const entry = ledgers.get(chassisId).entries[vmId];
    if (entry !== undefined && !isFollowedBy(vm, entry)) {
      return this.#answer(vmId, causation, preemptedMeanwhile(vmId));
    }
    const isSettled = vm.allocationCourse === undefined;
    if (isSettled && isAlready(vm, entry, requestParts(this.#typesOf(vm), resources, vm)))
      return this.#answer(vmId, causation, UNCHANGED);
    const at = await this.#minuteOf(vmId, vm, atMinute, causation);
    if (at !== undefined && "ok" in at) return at;
    const now = (await vms.refresh(vmId)).state;
    if (!now.exists || now.fence !== fence) return placeChanged(vmId);
    return this.#resizePlaced(vmId, { vm: { ...now, chassisId, fence }, at }, resources, causation);
  }

  /** Names the minute of the resize; undefined for a guest without minutes, such as a machine. */
  async #minuteOf(
    vmId: string,
    vm: Vm,
    atMinute: number | undefined,
    causation: Causation,
  ): Promise<HeldGuest | VmRejection | undefined> {
    if (!endsWithAgent(vm.vmType)) return undefined;
    try {
      const held = await heldGuest(this.#ports, vmId, vm, atMinute, causation);
      const isWithout = "ok" in held && held.rejection.code === "UNSUPPORTED" && atMinute === undefined;
      return isWithout ? undefined : held;
    } catch (thrown) {
      // If no agent answers, the guest is down: its next guest has the new amounts from its start.
      const isDown = thrown instanceof Fault && thrown.code === "UNAVAILABLE";
      if (isDown && atMinute === undefined && scheduledAmounts(vm).length === 0) return undefined;
      throw thrown;
    }
  }

  async #resizePlaced(
    vmId: string,
    { vm, at }: Placed,
    resources: ResizeRequest["resources"],
    causation: Causation,
  ): Promise<Resized> {
    const { chassisId, fence, preemption } = vm;
    const before = at === undefined ? vm.request : amountsBefore(vm, at);
    const { request, cell } = requestParts(this.#typesOf(vm), resources, { ...vm, request: before });
    const entry = this.#ports.ledgers.get(chassisId).entries[vmId];
    if (at !== undefined && hasOnly(vm, at.presentMinute, request) && isAlready(vm, entry, { request, cell }))
      return this.#answer(vmId, causation, UNCHANGED);
    const amounts = at === undefined ? request : largestAmounts([request, ...comingAmounts(vm, at)]);
    // The expected version was compared above. Until the ledger has granted the amounts, only another resize could
    // change them, and `from` excludes it. Afterwards the VM records what the ledger granted at any version, because
    // the two would differ otherwise.
    const from = causation.expectedVersion === undefined ? undefined : (vm.allocation ?? undefined);
    const resize = { vmId, chassisId, fence, amounts, preemption, from };
    const resized = await resizeInLedger(this.#ports, resize, causation);
    if (!resized.ok) return resized;
    const granted = resized.entry;
    if (granted?.fence !== fence) return placeChanged(vmId);
    // If another command has changed the entry since, the cell gets what the ledger holds now.
    const given = equalAmounts(granted.amounts, amounts) ? request : granted.amounts;
    const command = { type: "resize", vmId, request: amounts, cell, granted, at, given } as const;
    const any = expectingAnyVersion(causation);
    return changedAtMinute(vmId, await executeOn(this.#ports, vmId, any, command));
  }

  /** Returns the types of the VM with the full demand of its model, of which shares are taken. */
  #typesOf(vm: Vm): VmTypes {
    return withDemand(vm, modelsHere(this.#ports, vm.config));
  }

  async #answer(vmId: string, causation: Causation, decision: VmDecision): Promise<Resized> {
    return changedAtMinute(vmId, await this.#ports.vms.execute(vmId, causation, () => decision));
  }
}

/** Returns why the VM cannot be resized so; undefined if it can. */
function refusalOf(
  vmId: string,
  vm: Vm,
  types: VmTypes,
  resources: ResizeRequest["resources"],
  atMinute: number | undefined,
): VmRejection | undefined {
  if (vm.migration?.target) {
    const message = `${vmId} is moving to ${vm.migration.target.chassisId}: resize it when it has arrived`;
    return refuse("CONFLICT", message, { retryable: true });
  }
  const problems = resourceProblems(types, resources);
  if (problems.length > 0) return badRequest(problems);
  if (atMinute !== undefined) {
    if (!endsWithAgent(vm.vmType))
      return refuse("UNSUPPORTED", `${vmId} is a machine: it has no simulated time`);
    if (vm.fence === null)
      return badRequest([{ path: "atMinute", message: `${vmId} is ${vm.state}: it has no simulated time` }]);
    // A preemption may last, so a retry would not help.
    if (vm.preemption?.active === true) {
      const message = `${vmId} has given up resources to ${vm.preemption.by}: resize it without a minute`;
      return refuse("CONFLICT", message);
    }
  }
  if (vm.fence !== null) return changesProblem(vmId, vm);
  if (scheduledAmounts(vm).length === 0) return undefined;
  const message = `follow the schedule of ${vmId}: resize it while it runs, or create a VM with another schedule`;
  return badRequest([{ path: "resources", message }]);
}

/** Returns true if the VM and its ledger hold exactly these amounts. */
function isAlready(vm: Vm, entry: LedgerEntry | undefined, { request, cell }: RequestParts): boolean {
  if (entry === undefined) return false;
  const isSameCell = cell === undefined || equalAmounts(cell, vm.cell ?? {});
  return (
    isSameCell && [vm.request, vm.allocation ?? {}, entry.amounts].every((a) => equalAmounts(a, request))
  );
}

/** Returns true if the VM's cell has these amounts from this minute on, and never other ones. */
function hasOnly(vm: Vm, minute: number, amounts: RequestParts["request"]): boolean {
  return [amountsAt(vm, minute), ...allocationsAfter(vm, minute)].every((one) => equalAmounts(one, amounts));
}

/** The amounts that the cell has at this minute before the resize: resources that the request does not name keep them. */
function amountsBefore(vm: Vm, { simMinute }: HeldGuest): RequestParts["request"] {
  return vm.preemption?.active === true ? vm.request : amountsAt(vm, simMinute);
}
