/**
 * Records a VM for the second daughter of a cell that has divided (`config.lineage: "both"`). The VM process starts it.
 *
 * The mother stays at the minute of its division until this command has been answered, and divides again after a return to
 * an earlier state. So the command is repeated, and a daughter that the log has is its answer. A report that is out of
 * date, or a daughter that cannot be, changes nothing: the answer then has the reason.
 */
import {
  blobOf,
  daughterIdOf,
  type Handled,
  MAX_LINEAGE_VMS,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  reportedBy,
  type Vm,
} from "@bioxen/contracts";
import { type BlobStore, type Causation, onBehalfOf } from "@bioxen/kernel";
import { forkOf } from "../domain/new-vm.ts";
import { beyondKnownLog, type CommandPorts, executeOn } from "./command-ports.ts";
import { seedOf } from "./derived-ids.ts";
import type { Lineages } from "./lineages.ts";

type Request = ParsedRequestOf<"vmDivide">;
type Divided = Handled<ResultOf<"vmDivide">>;

export interface DivisionPorts extends Pick<CommandPorts, "vms" | "chassis" | "log" | "knownSeq"> {
  readonly blobs: Pick<BlobStore, "get">;
  readonly lineages: Pick<Lineages, "sizeOf">;
}

export class DivisionCommand {
  readonly #ports: DivisionPorts;

  constructor(ports: DivisionPorts) {
    this.#ports = ports;
  }

  async divide(request: Request, causation: Causation): Promise<Divided> {
    const { vms, chassis } = this.#ports;
    const { vmId, fence, restores, division, checkpoint } = request;
    const beyond = await beyondKnownLog(this.#ports, fence, "fence");
    if (beyond !== undefined) return beyond;
    const { state: mother } = await vms.refresh(vmId);
    const host = mother.exists && mother.chassisId !== null ? chassis.get(mother.chassisId) : undefined;
    const reported = reportedBy(causation, host?.registered === true ? host.agentId : undefined);
    if (!reported.ok) return reported;
    if (!mother.exists || mother.fence !== fence || mother.restores !== restores) {
      return none(`${vmId} has another guest now`);
    }
    if (mother.config["lineage"] !== "both") return none(`${vmId} goes on with one daughter`);
    const daughterId = daughterIdOf(vmId, division);
    if (daughterId === undefined) return none(`the id ${vmId}-${division} would be too long`);
    const known = await this.#known(daughterId, vmId, mother, division);
    if (known !== undefined) return known;
    const root = mother.birth?.root ?? vmId;
    if (this.#ports.lineages.sizeOf(root) >= MAX_LINEAGE_VMS) {
      return none(`the lineage of ${root} has ${MAX_LINEAGE_VMS} VMs: destroy some first`);
    }
    const stored = await this.#ports.blobs.get(blobOf(daughterId, checkpoint), checkpoint.sha256);
    if (stored.kind !== "whole") {
      const message = `the state of ${daughterId} that its agent reported is ${stored.kind} in the store: try again`;
      return refuse("UNAVAILABLE", message, { retryable: true });
    }
    return this.#record(daughterId, request, mother, root, {
      ...reported.causation,
      ...onBehalfOf(mother.owner),
    });
  }

  /**
   * Returns the answer if the id of the daughter is taken: by this daughter, which a restore of the mother does not make a
   * second time, or by another VM.
   */
  async #known(
    daughterId: string,
    vmId: string,
    { incarnation }: Vm,
    division: number,
  ): Promise<Divided | undefined> {
    const { state: present } = await this.#ports.vms.refresh(daughterId);
    if (!present.exists) return undefined;
    const { birth, parent } = present;
    const isSame = parent === vmId && birth?.incarnation === incarnation && birth.division === division;
    if (isSame) return { ok: true, result: { changed: false, daughterId } };
    return present.state === "destroyed" ? undefined : none(`there is another VM ${daughterId}`);
  }

  async #record(
    daughterId: string,
    { vmId, division, checkpoint }: Request,
    mother: Vm,
    root: string,
    causation: Causation,
  ): Promise<Divided> {
    const seed = seedOf(`daughter ${mother.seed} ${division}`);
    const { incarnation } = mother;
    const birth = { root, incarnation, division, simMinute: checkpoint.simMinutes };
    const vm = { ...forkOf(vmId, mother, { seed, checkpoint }), birth };
    const executed = await executeOn(this.#ports, daughterId, causation, {
      type: "create",
      vmId: daughterId,
      vm,
    });
    if (executed.ok) return { ok: true, result: { changed: executed.changed, daughterId } };
    if (executed.rejection.code !== "VM_ALREADY_EXISTS") return { ok: false, rejection: executed.rejection };
    // Another instance has recorded the daughter meanwhile.
    return (await this.#known(daughterId, vmId, mother, division)) ?? none(`${daughterId} was destroyed`);
  }
}

function none(reason: string): Divided {
  return { ok: true, result: { changed: false, daughterId: null, reason } };
}
