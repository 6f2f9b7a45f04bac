/**
 * Snapshot, restore and fork: the blob with the guest's state is stored, or checked, before the event is appended.
 *
 * So every blob that the log refers to exists. When the append is rejected, or this process dies before the append,
 * the sweeper finds the blob and deletes it. A fork gets its own copy of the blob, so no VM depends on the blobs of
 * another VM.
 */
import {
  agentCheckpoint,
  blobOf,
  type ChassisState,
  type CheckpointRecord,
  callEndpoint,
  endsWithAgent,
  type Handled,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import {
  type Aggregates,
  type BlobStore,
  type Caller,
  type Causation,
  type IdSource,
  invariant,
  type ReadModel,
} from "@bioxen/kernel";
import { forkOf } from "../domain/new-vm.ts";
import { admit } from "../domain/vm.ts";
import { type VmCommand, vmDecider } from "../domain/vm-decider.ts";
import { noVm, type VmRejection, vmExists } from "../domain/vm-decision.ts";
import { noSnapshot, snapshotOf, type TakenCheckpoint } from "../domain/vm-guest-state.ts";
import { agentOf } from "./agent-of-vm.ts";
import { changedVm, executeOn } from "./command-ports.ts";
import { seedOf, snapshotIdOf } from "./derived-ids.ts";
import { passedOn } from "./peer-refusal.ts";

/**
 * Longest wait for the stored state of a cell, ms. The agent first completes other calls of the guest, which may take
 * 6 s, and then stores the state.
 */
const TAKE_TIMEOUT_MS = 15_000;
/**
 * Longest wait for the stored state of a machine of a pool, ms: its whole memory is written to disk. A caller with a
 * shorter timeout repeats the command with the same snapshot id.
 */
const TAKE_IN_POOL_TIMEOUT_MS = 300_000;

export interface GuestStatePorts {
  readonly vms: Aggregates<VmState>;
  readonly chassis: ReadModel<ChassisState>;
  readonly caller: Caller;
  readonly blobs: BlobStore;
  readonly ids: IdSource;
}

type Changed = Handled<ResultOf<"vmRestore">>;

export class GuestStateCommands {
  readonly #ports: GuestStatePorts;

  constructor(ports: GuestStatePorts) {
    this.#ports = ports;
  }

  async snapshot(
    { vmId, snapshotId: wanted }: ParsedRequestOf<"vmSnapshot">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"vmSnapshot">>> {
    const snapshotId = wanted ?? snapshotIdOf(causation.causeId);
    const { state } = await this.#ports.vms.refresh(vmId);
    const before = vmDecider.decide(state, { type: "snapshot", vmId, snapshotId, taken: undefined });
    // Before a state is stored, CONFLICT means that the snapshot is allowed and only the guest's state is missing.
    const isMissing = !before.ok && before.rejection.code === "CONFLICT" && state.exists;
    const taken = isMissing ? await this.#take(vmId, state, causation) : undefined;
    if (taken !== undefined && "ok" in taken) return taken;
    const command = { type: "snapshot", vmId, snapshotId, taken } as const;
    const executed = await executeOn(this.#ports, vmId, causation, command);
    const changed = changedVm(vmId, executed);
    if (!changed.ok) return changed;
    const snapshot = executed.ok ? snapshotOf(executed.current.state, snapshotId) : undefined;
    if (snapshot === undefined) return noSnapshot(vmId, snapshotId);
    return { ok: true, result: { ...changed.result, snapshot } };
  }

  /**
   * Restores the VM from a snapshot. A snapshot whose blob is missing or damaged is rejected, so that a restore never
   * makes a guest start without a state.
   */
  async restore({ vmId, snapshotId }: ParsedRequestOf<"vmRestore">, causation: Causation): Promise<Changed> {
    const { state } = await this.#ports.vms.refresh(vmId);
    const snapshot = snapshotOf(state, snapshotId);
    if (snapshot !== undefined) {
      const read = await this.#read(vmId, snapshotId, snapshot);
      if (!(read instanceof Uint8Array)) return read;
    }
    return this.#execute(vmId, causation, { type: "restore", vmId, snapshotId });
  }

  deleteSnapshot(
    { vmId, snapshotId }: ParsedRequestOf<"vmDeleteSnapshot">,
    causation: Causation,
  ): Promise<Changed> {
    return this.#execute(vmId, causation, { type: "delete-snapshot", vmId, snapshotId });
  }

  async fork(
    { vmId, fromSnapshotId, newVmId }: ParsedRequestOf<"vmFork">,
    causation: Causation,
  ): Promise<Changed> {
    const { vms } = this.#ports;
    const target = (await vms.refresh(newVmId)).state;
    if (target.exists && target.state !== "destroyed") {
      // An earlier attempt of this command may have created the VM: `execute` then finds the outcome in the log.
      return changedVm(newVmId, await vms.execute(newVmId, causation, () => vmExists(newVmId, target)));
    }
    const { state: parent } = await vms.refresh(vmId);
    if (!parent.exists) return noVm(vmId);
    if (!endsWithAgent(parent.vmType)) {
      return refuse("UNSUPPORTED", `${vmId} cannot be forked: its state cannot leave its pool`);
    }
    const checkpoint =
      fromSnapshotId === undefined
        ? await this.#forkGuest(vmId, parent, newVmId, causation)
        : await this.#copy(vmId, parent, fromSnapshotId, newVmId);
    if ("ok" in checkpoint) return checkpoint;
    const vm = forkOf(vmId, parent, { seed: seedOf(causation.causeId), checkpoint });
    return this.#execute(newVmId, causation, { type: "create", vmId: newVmId, vm });
  }

  async #forkGuest(
    vmId: string,
    parent: Vm,
    newVmId: string,
    causation: Causation,
  ): Promise<CheckpointRecord | VmRejection> {
    const admitted = admit(vmId, parent, "fork");
    if ("answer" in admitted) {
      invariant(!admitted.answer.ok, "no state of a VM is where a fork leads", { vmId });
      return admitted.answer;
    }
    const taken = await this.#take(vmId, parent, causation, newVmId);
    return "ok" in taken ? taken : taken.checkpoint;
  }

  async #copy(
    vmId: string,
    parent: Vm,
    snapshotId: string,
    newVmId: string,
  ): Promise<CheckpointRecord | VmRejection> {
    const snapshot = snapshotOf(parent, snapshotId);
    if (snapshot === undefined) return noSnapshot(vmId, snapshotId);
    const read = await this.#read(vmId, snapshotId, snapshot);
    if (!(read instanceof Uint8Array)) return read;
    const { simMinutes, bytes, sha256 } = snapshot;
    const copy = { checkpointId: this.#ports.ids.next(), simMinutes, bytes, sha256 };
    await this.#ports.blobs.put(blobOf(newVmId, copy), read);
    return copy;
  }

  async #read(
    vmId: string,
    snapshotId: string,
    snapshot: CheckpointRecord,
  ): Promise<Uint8Array | VmRejection> {
    const reading = await this.#ports.blobs.get(blobOf(vmId, snapshot), snapshot.sha256);
    if (reading.kind === "whole") return reading.bytes;
    const message = `the stored state of snapshot ${snapshotId} of ${vmId} is ${reading.kind}`;
    return refuse("SNAPSHOT_NOT_FOUND", message, { details: { stored: reading.kind } });
  }

  /**
   * Asks the agent to store the state of the guest. `holder` is the VM that the blob is for; without it, the blob is
   * for the guest's own VM.
   */
  async #take(
    vmId: string,
    vm: Vm,
    causation: Causation,
    holder?: string,
  ): Promise<TakenCheckpoint | VmRejection> {
    const agent = agentOf(this.#ports.chassis, vmId, vm);
    if ("ok" in agent) return agent;
    const { agentId, fence } = agent;
    const reply = await callEndpoint(
      this.#ports.caller,
      agentCheckpoint(agentId),
      { vmId, fence, ...(holder === undefined ? {} : { holder }) },
      {
        timeoutMs: endsWithAgent(vm.vmType) ? TAKE_TIMEOUT_MS : TAKE_IN_POOL_TIMEOUT_MS,
        causation,
      },
    );
    if (!reply.ok) return passedOn(reply.error);
    const { checkpoint, restores } = reply;
    // Any client can answer in place of the agent: only a state that is stored is recorded.
    const stored = await this.#ports.blobs.get(blobOf(holder ?? vmId, checkpoint), checkpoint.sha256);
    if (stored.kind !== "whole") {
      const message = `the state of ${vmId} that its agent reported is ${stored.kind} in the store: try again`;
      return refuse("UNAVAILABLE", message, { retryable: true });
    }
    return { fence, restores, checkpoint };
  }

  async #execute(vmId: string, causation: Causation, command: VmCommand): Promise<Changed> {
    return changedVm(vmId, await executeOn(this.#ports, vmId, causation, command));
  }
}
