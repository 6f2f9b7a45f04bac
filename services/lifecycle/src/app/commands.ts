/**
 * The commands that create, start, pause, resume, stop and destroy a VM. This layer looks up the facts for the decider.
 */
import { type Handled, isHeldByPreemption, type ParsedRequestOf, type VmState } from "@bioxen/contracts";
import { type Causation, expectingAnyVersion } from "@bioxen/kernel";
import { infeasibleStart, registeredOf } from "../domain/chassis-fit.ts";
import { newVmOf } from "../domain/new-vm.ts";
import { vmDecider } from "../domain/vm-decider.ts";
import { type CommandPorts, changedVm, executeOn, type VmChanged } from "./command-ports.ts";
import { seedOf, vmIdOf } from "./derived-ids.ts";
import { onAllChassis } from "./known-chassis.ts";
import { modelsHere, withAllModels } from "./known-models.ts";
import type { PreemptionCommands } from "./preemption-commands.ts";

interface OfVm {
  readonly vmId: string;
}

export class VmCommands {
  readonly #ports: CommandPorts;
  readonly #preemptions: PreemptionCommands;

  constructor(ports: CommandPorts, preemptions: PreemptionCommands) {
    this.#ports = ports;
    this.#preemptions = preemptions;
  }

  async create(request: ParsedRequestOf<"vmCreate">, causation: Causation): Promise<Handled<VmChanged>> {
    const create = () => newVmOf(request, seedOf(causation.causeId), modelsHere(this.#ports, request.config));
    const created = await withAllModels(this.#ports, create);
    if ("ok" in created) return created;
    const vmId = request.vmId ?? vmIdOf(causation);
    const command = { type: "create", vmId, vm: created.vm } as const;
    return changedVm(vmId, await executeOn(this.#ports, vmId, causation, command));
  }

  async start({ vmId }: OfVm, causation: Causation): Promise<Handled<VmChanged>> {
    const { vms, chassis } = this.#ports;
    const decide = (state: VmState) => {
      const infeasible = state.exists ? infeasibleStart(state, registeredOf(chassis.entries())) : undefined;
      return vmDecider.decide(state, { type: "start", vmId, infeasible });
    };
    return changedVm(vmId, await onAllChassis(this.#ports, () => vms.execute(vmId, causation, decide)));
  }

  pause({ vmId }: OfVm, causation: Causation): Promise<Handled<VmChanged>> {
    return this.#execute("pause", vmId, causation);
  }

  async stop(request: ParsedRequestOf<"vmStop">, causation: Causation): Promise<Handled<VmChanged>> {
    const { vmId, deadlineMs, force } = request;
    const command = { type: "stop", vmId, deadlineMs, force, nowMs: this.#ports.clock.nowMs() } as const;
    return changedVm(vmId, await executeOn(this.#ports, vmId, causation, command));
  }

  async transfer(
    { vmId, owner }: ParsedRequestOf<"vmTransfer">,
    causation: Causation,
  ): Promise<Handled<VmChanged>> {
    const command = { type: "transfer", vmId, owner } as const;
    return changedVm(vmId, await executeOn(this.#ports, vmId, causation, command));
  }

  destroy({ vmId }: OfVm, causation: Causation): Promise<Handled<VmChanged>> {
    return this.#execute("destroy", vmId, causation);
  }

  /** Resumes the VM. A VM that preemption holds paused first gets its resources back. */
  async resume({ vmId }: OfVm, causation: Causation): Promise<Handled<VmChanged>> {
    const { state, version } = await this.#ports.vms.refresh(vmId);
    const isOther = (causation.expectedVersion ?? version) !== version;
    if (isOther || !state.exists || !isHeldByPreemption(state)) {
      return this.#execute("resume", vmId, causation);
    }
    // The version was compared before the ledger gives the resources back. The VM then records the grant at any version.
    const cause = expectingAnyVersion(causation);
    const reinstated = await this.#preemptions.reinstateFully(vmId, state, { isResume: true }, cause);
    return reinstated.ok ? changedVm(vmId, reinstated) : reinstated;
  }

  async #execute(
    type: "pause" | "resume" | "destroy",
    vmId: string,
    causation: Causation,
  ): Promise<Handled<VmChanged>> {
    return changedVm(vmId, await executeOn(this.#ports, vmId, causation, { type, vmId }));
  }
}
