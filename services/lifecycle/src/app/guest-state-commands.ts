/**
 * Snapshot, restore, fork: what has to be stored, or found to be stored, before it is recorded.
 *
 * The blob comes first, so what the log refers to is there; where the append is refused then, or this process dies, the
 * sweeper finds it. A fork gets a copy of its own: no VM depends on the life of another.
 */
import {
  agentCheckpoint,
  blobOf,
  type ChassisState,
  type CheckpointRecord,
  endsWithAgent,
  type Handled,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  type Vm,
  type VmState,
  viewOfVm,
} from "@bioxen/contracts";
import type {
  Aggregates,
  BlobStore,
  Caller,
  Causation,
  Executed,
  IdSource,
  ReadModel,
  Rejection,
} from "@bioxen/kernel";
import { admit, decideCreate, type VmDecision } from "../domain/vm.ts";
import {
  decideDeleteSnapshot,
  decideRestore,
  decideSnapshot,
  noSnapshot,
  snapshotOf,
  type TakenCheckpoint,
} from "../domain/vm-guest-state.ts";
import { seedOf, snapshotIdOf } from "./derived-ids.ts";
import { passedOn } from "./preemption-commands.ts";

/** The state of a guest, ms: its turn among the calls of the guest, which may take 6 s, and storing it. */
const TAKE_TIMEOUT_MS = 15_000;
/** Of a machine of a pool, ms: its whole memory is written to disk. Whoever does not wait so long asks again by the same snapshot id. */
const TAKE_IN_POOL_TIMEOUT_MS = 300_000;

export interface GuestStatePorts {
  readonly vms: Aggregates<VmState>;
  readonly chassis: ReadModel<ChassisState>;
  readonly caller: Caller;
  readonly blobs: BlobStore;
  readonly ids: IdSource;
}

type Refused = { readonly ok: false; readonly rejection: Rejection };
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
    const answer = decideSnapshot(vmId, state, snapshotId, undefined);
    // Nothing but the state of the guest is missing.
    const isOpen = !answer.ok && answer.rejection.code === "CONFLICT" && state.exists;
    const taken = isOpen ? await this.#take(vmId, state, causation) : undefined;
    if (taken !== undefined && "ok" in taken) return taken;
    const executed = await this.#ports.vms.execute(vmId, causation, (now) =>
      decideSnapshot(vmId, now, snapshotId, taken),
    );
    const changed = changedOf(vmId, executed);
    if (!changed.ok) return changed;
    const snapshot = executed.ok ? snapshotOf(executed.held.state, snapshotId) : undefined;
    if (snapshot === undefined) return noSnapshot(vmId, snapshotId);
    return { ok: true, result: { ...changed.result, snapshot } };
  }

  /** Refused when what is stored is not whole any more: a VM is not sent to begin anew by a restore. */
  async restore({ vmId, snapshotId }: ParsedRequestOf<"vmRestore">, causation: Causation): Promise<Changed> {
    const { state } = await this.#ports.vms.refresh(vmId);
    const snapshot = snapshotOf(state, snapshotId);
    if (snapshot !== undefined) {
      const read = await this.#read(vmId, snapshotId, snapshot);
      if (!(read instanceof Uint8Array)) return read;
    }
    return this.#decide(vmId, causation, (now) => decideRestore(vmId, now, snapshotId));
  }

  deleteSnapshot(
    { vmId, snapshotId }: ParsedRequestOf<"vmDeleteSnapshot">,
    causation: Causation,
  ): Promise<Changed> {
    return this.#decide(vmId, causation, (state) => decideDeleteSnapshot(vmId, state, snapshotId));
  }

  async fork(
    { vmId, fromSnapshotId, newVmId }: ParsedRequestOf<"vmFork">,
    causation: Causation,
  ): Promise<Changed> {
    const target = (await this.#ports.vms.refresh(newVmId)).state;
    if (target.exists && target.state !== "destroyed") {
      // Made by this very command before, or somebody else's: the log tells which.
      return this.#decide(newVmId, causation, () =>
        refuse("VM_ALREADY_EXISTS", `VM ${newVmId} exists and is ${target.state}`),
      );
    }
    const { state: parent } = await this.#ports.vms.refresh(vmId);
    if (!parent.exists) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
    if (!endsWithAgent(parent.vmType)) {
      return refuse("UNSUPPORTED", `what is in ${vmId} stays in its pool: no other VM can begin with it`);
    }
    const checkpoint =
      fromSnapshotId === undefined
        ? await this.#forkGuest(vmId, parent, newVmId, causation)
        : await this.#copy(vmId, parent, fromSnapshotId, newVmId);
    if ("ok" in checkpoint) return checkpoint;
    return this.#decide(newVmId, causation, (state) =>
      decideCreate(newVmId, state, {
        biologicalType: parent.biologicalType,
        vmType: parent.vmType,
        request: parent.request,
        ...(parent.guarantee === null ? {} : { guarantee: parent.guarantee }),
        priority: parent.priority,
        seed: seedOf(causation.causeId),
        program: parent.program,
        environment: { ...parent.environment },
        placement: parent.placement as never,
        restartPolicy: parent.restartPolicy,
        labels: { ...parent.labels },
        config: parent.config as never,
        parent: vmId,
        checkpoint,
      }),
    );
  }

  async #forkGuest(
    vmId: string,
    parent: Vm,
    newVmId: string,
    causation: Causation,
  ): Promise<CheckpointRecord | Refused> {
    const admitted = admit(vmId, parent, "fork");
    if ("answer" in admitted) {
      return admitted.answer.ok
        ? refuse("INTERNAL", "a fork is nothing that can be there already")
        : admitted.answer;
    }
    const taken = await this.#take(vmId, parent, causation, newVmId);
    return "ok" in taken ? taken : taken.checkpoint;
  }

  async #copy(
    vmId: string,
    parent: Vm,
    snapshotId: string,
    newVmId: string,
  ): Promise<CheckpointRecord | Refused> {
    const snapshot = snapshotOf(parent, snapshotId);
    if (snapshot === undefined) return noSnapshot(vmId, snapshotId);
    const read = await this.#read(vmId, snapshotId, snapshot);
    if (!(read instanceof Uint8Array)) return read;
    const { simMinutes, bytes, sha256 } = snapshot;
    const copy = { checkpointId: this.#ports.ids.next(), simMinutes, bytes, sha256 };
    await this.#ports.blobs.put(blobOf(newVmId, copy), read);
    return copy;
  }

  async #read(vmId: string, snapshotId: string, snapshot: CheckpointRecord): Promise<Uint8Array | Refused> {
    const reading = await this.#ports.blobs.get(blobOf(vmId, snapshot), snapshot.sha256);
    if (reading.kind === "whole") return reading.bytes;
    const message = `the state of snapshot ${snapshotId} of ${vmId} is ${reading.kind}`;
    return refuse("SNAPSHOT_NOT_FOUND", message, { details: { stored: reading.kind } });
  }

  /** Has the agent store the state of the guest, for `holder` where that is another VM. */
  async #take(
    vmId: string,
    vm: Vm,
    causation: Causation,
    holder?: string,
  ): Promise<TakenCheckpoint | Refused> {
    const { chassisId, fence } = vm;
    const chassis = chassisId === null ? undefined : this.#ports.chassis.get(chassisId);
    if (chassis?.registered !== true || fence === null) {
      return refuse("UNAVAILABLE", `the chassis of ${vmId} is not registered`, { retryable: true });
    }
    const reply = await this.#ports.caller.call(
      agentCheckpoint(chassis.agentId).subject,
      { vmId, fence, ...(holder === undefined ? {} : { holder }) },
      {
        timeoutMs: endsWithAgent(vm.vmType) ? TAKE_TIMEOUT_MS : TAKE_IN_POOL_TIMEOUT_MS,
        causation,
      },
    );
    if (!reply.ok) return passedOn(reply.error);
    const { checkpoint, restores } = reply as unknown as Omit<TakenCheckpoint, "fence">;
    return { fence, restores, checkpoint };
  }

  async #decide(
    vmId: string,
    causation: Causation,
    decide: (state: VmState) => VmDecision,
  ): Promise<Changed> {
    return changedOf(vmId, await this.#ports.vms.execute(vmId, causation, decide));
  }
}

function changedOf(vmId: string, executed: Executed<VmState>): Changed {
  if (!executed.ok) return { ok: false, rejection: executed.rejection };
  const { state } = executed.held;
  if (!state.exists) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
  return { ok: true, result: { changed: executed.changed, vm: viewOfVm(vmId, state) } };
}
