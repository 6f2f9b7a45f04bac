/** The command resize. For a VM with a place, the ledger first grants all amounts or none; then the VM records them. */
import {
  fullDemand,
  type Handled,
  isFollowedBy,
  type ParsedRequestOf,
  refuse,
  requestedAmounts,
  type Vm,
} from "@bioxen/contracts";
import type { Amounts, Causation } from "@bioxen/kernel";
import { badRequest, foreignResources } from "../domain/requested-resources.ts";
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
    const admitted = admit(vmId, (await vms.refresh(vmId)).state, "resize");
    if ("answer" in admitted) {
      return changedVm(vmId, await vms.execute(vmId, causation, () => admitted.answer));
    }
    const { vm } = admitted;
    const wanted = requestOf(vmId, vm, resources);
    if ("ok" in wanted) return wanted;
    const { request } = wanted;
    const { chassisId, fence, preemption } = vm;
    if (fence === null || chassisId === null) {
      const command = { type: "resize", vmId, request, granted: null } as const;
      return changedVm(vmId, await executeOn(this.#ports, vmId, causation, command));
    }
    const entry = ledgers.get(chassisId).entries[vmId];
    if (entry !== undefined && !isFollowedBy(vm, entry)) {
      return changedVm(vmId, await vms.execute(vmId, causation, () => preemptedMeanwhile(vmId)));
    }
    const resize = { vmId, chassisId, fence, amounts: request, preemption };
    const resized = await resizeInLedger(this.#ports, resize, causation);
    if (!resized.ok) return resized;
    if (resized.entry?.fence !== fence) return placeChanged(vmId);
    const command = { type: "resize", vmId, request, granted: resized.entry } as const;
    return changedVm(vmId, await executeOn(this.#ports, vmId, causation, command));
  }
}

/** Returns the requested amounts. A resource that the request does not name keeps its amount. */
function requestOf(
  vmId: string,
  vm: Vm,
  resources: ResizeRequest["resources"],
): { readonly request: Amounts } | VmRejection {
  if (vm.migration?.target) {
    const message = `${vmId} is moving to ${vm.migration.target.chassisId}: resize it when it has arrived`;
    return refuse("CONFLICT", message, { retryable: true });
  }
  const full = fullDemand(vm.biologicalType, vm.vmType);
  const problems = foreignResources("resources", resources, full);
  if (problems.length > 0) return badRequest(problems);
  return { request: requestedAmounts(resources, full, vm.request) };
}
