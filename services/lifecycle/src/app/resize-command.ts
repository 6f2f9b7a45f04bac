/** The command resize. For a VM with a place, the ledger first grants all amounts or none; then the VM records them. */
import {
  type Handled,
  isFollowedBy,
  type ParsedRequestOf,
  type RequestParts,
  refuse,
  requestParts,
  resourceProblems,
  type Vm,
} from "@bioxen/contracts";
import { type Causation, expectingAnyVersion, UNCHANGED } from "@bioxen/kernel";
import { badRequest } from "../domain/requested-resources.ts";
import { admit } from "../domain/vm.ts";
import { placeChanged, preemptedMeanwhile, type VmRejection } from "../domain/vm-decision.ts";
import { type CommandPorts, changedVm, executeOn, type VmChanged } from "./command-ports.ts";
import { resizeInLedger } from "./ledger-resize.ts";

type ResizeRequest = ParsedRequestOf<"vmResize">;

export class ResizeCommand {
  readonly #ports: CommandPorts;

  constructor(ports: CommandPorts) {
    this.#ports = ports;
  }

  async resize({ vmId, resources }: ResizeRequest, causation: Causation): Promise<Handled<VmChanged>> {
    const { vms, ledgers } = this.#ports;
    const { state, version } = await vms.refresh(vmId);
    const { expectedVersion = version } = causation;
    if (expectedVersion !== version) {
      // A repeated command finds its first outcome here; any other command is refused.
      return changedVm(vmId, await vms.execute(vmId, causation, () => UNCHANGED));
    }
    const admitted = admit(vmId, state, "resize");
    if ("answer" in admitted) {
      return changedVm(vmId, await vms.execute(vmId, causation, () => admitted.answer));
    }
    const { vm } = admitted;
    const wanted = requestOf(vmId, vm, resources);
    if ("ok" in wanted) return wanted;
    const { request, cell } = wanted;
    const { chassisId, fence, preemption } = vm;
    if (fence === null || chassisId === null) {
      const command = { type: "resize", vmId, request, cell, granted: null } as const;
      return changedVm(vmId, await executeOn(this.#ports, vmId, causation, command));
    }
    const entry = ledgers.get(chassisId).entries[vmId];
    if (entry !== undefined && !isFollowedBy(vm, entry)) {
      return changedVm(vmId, await vms.execute(vmId, causation, () => preemptedMeanwhile(vmId)));
    }
    // The expected version was compared above. Until the ledger has granted the amounts, only another resize could
    // change them, and `from` excludes it. Afterwards the VM records what the ledger granted at any version, because
    // the two would differ otherwise.
    const from = causation.expectedVersion === undefined ? undefined : (vm.allocation ?? undefined);
    const resize = { vmId, chassisId, fence, amounts: request, preemption, from };
    const resized = await resizeInLedger(this.#ports, resize, causation);
    if (!resized.ok) return resized;
    if (resized.entry?.fence !== fence) return placeChanged(vmId);
    const command = { type: "resize", vmId, request, cell, granted: resized.entry } as const;
    return changedVm(vmId, await executeOn(this.#ports, vmId, expectingAnyVersion(causation), command));
  }
}

/** Returns the requested amounts. A resource that the request does not name keeps its amount. */
function requestOf(vmId: string, vm: Vm, resources: ResizeRequest["resources"]): RequestParts | VmRejection {
  if (vm.migration?.target) {
    const message = `${vmId} is moving to ${vm.migration.target.chassisId}: resize it when it has arrived`;
    return refuse("CONFLICT", message, { retryable: true });
  }
  const problems = resourceProblems(vm, resources);
  if (problems.length > 0) return badRequest(problems);
  return requestParts(vm, resources, vm);
}
