/**
 * Decides which machines of the pool belong to this agent.
 *
 * A pool can hold machines of several BioXen, of several agents, and of a log that was lost or is older than the
 * machines. The keys of a machine name the cluster, the agent and the reservation under which it runs. A machine belongs
 * to this agent if its keys name this cluster and this agent, and if the log has that very reservation: the event at the
 * fence has the id in the machine's keys. All other machines with keys of a BioXen are orphans for this agent, which
 * never changes them. See docs/adr/0033-owners-of-machines.md.
 */
import { DriverError, type Orphan } from "@bioxen/vm-driver";
import type { VmRecord } from "../xapi/records.ts";
import { type Agent, type Origin, originOf, type Tags } from "./tags.ts";

export interface MachineOwner extends Agent {
  /**
   * Resolves with the id of the event with this sequence if it reserves resources for this VM, else with undefined.
   * Rejects while the log is unreachable.
   */
  readonly reservationOf: (vmId: string, fence: number) => Promise<string | undefined>;
}

interface Verdict {
  /** The reservation in the machine's keys that was looked up. */
  readonly claim: string;
  /** Id of the event that made the reservation; undefined when the log does not have it. */
  readonly reservation: string | undefined;
}

const claimOf = ({ vmId, incarnation, fence, reservation }: Origin): string =>
  [vmId, incarnation, fence, reservation ?? ""].join("/");

export class Ownership {
  readonly owner: MachineOwner;
  /** By the machine's uuid. */
  readonly #verdicts = new Map<string, Verdict>();
  /** The origins of the orphans that are being taken over, as JSON, by the machine's uuid. */
  readonly #taken = new Map<string, string>();

  constructor(owner: MachineOwner) {
    this.owner = owner;
  }

  /** Returns the tags of the agent's own machine. Undefined for any other record, and before {@link learn} read it. */
  tagsOf(record: VmRecord): Tags | undefined {
    const origin = originOf(record);
    if (origin === undefined || !this.#isNamed(origin)) return undefined;
    const verdict = this.#verdicts.get(record.uuid);
    if (verdict?.reservation === undefined || verdict.claim !== claimOf(origin)) return undefined;
    const { vmId, incarnation, fence, graceMs, restores, cellDue } = origin;
    return { vmId, incarnation, fence, reservation: verdict.reservation, graceMs, restores, cellDue };
  }

  /** Returns why the machine is an orphan; undefined for an own machine, and for a VM that no BioXen made. */
  orphanCause(record: VmRecord): Orphan["cause"] | undefined {
    const origin = originOf(record);
    if (origin === undefined || this.tagsOf(record) !== undefined) return undefined;
    if (origin.clusterId !== this.owner.clusterId) return "cluster";
    return origin.agentId === this.owner.agentId ? "log" : "agent";
  }

  /** Returns the VM id in the keys of a machine that names this agent, whether the log has its reservation or not. */
  claimedVmId(record: VmRecord): string | undefined {
    const origin = originOf(record);
    return origin !== undefined && this.#isNamed(origin) ? origin.vmId : undefined;
  }

  /** Looks up the reservations of these machines in the log. Rejects while the log is unreachable. */
  async learn(records: readonly VmRecord[]): Promise<void> {
    await Promise.all(records.map((record) => this.#learn(record)));
  }

  async #learn(record: VmRecord): Promise<void> {
    const origin = originOf(record);
    if (origin === undefined || !this.#isNamed(origin)) return;
    const claim = claimOf(origin);
    if (this.#verdicts.get(record.uuid)?.claim === claim) return;
    const found = await this.owner.reservationOf(origin.vmId, origin.fence);
    const isSame = origin.reservation === undefined || origin.reservation === found;
    this.#verdicts.set(record.uuid, { claim, reservation: isSame ? found : undefined });
  }

  /**
   * Runs `work`, which takes an orphan over by a decision of an operator: meanwhile its keys may be written, as long as
   * they are those of `record`.
   */
  async whileTaking<T>(record: VmRecord, work: () => Promise<T>): Promise<T> {
    this.#taken.set(record.uuid, JSON.stringify(originOf(record)));
    return work().finally(() => this.#taken.delete(record.uuid));
  }

  /** Returns whether the machine is an orphan that is being taken over, and still has the keys of its earlier owner. */
  isTaken(record: VmRecord): boolean {
    const origin = this.#taken.get(record.uuid);
    return origin !== undefined && origin === JSON.stringify(originOf(record));
  }

  /** Notes that this process has written these tags on the machine. */
  note(record: VmRecord, tags: Tags): void {
    const { clusterId, agentId } = this.owner;
    this.#verdicts.set(record.uuid, {
      claim: claimOf({ ...tags, clusterId, agentId }),
      reservation: tags.reservation,
    });
  }

  /** Resolves with the id of the reservation for a new tag. Rejects with `UNAVAILABLE` when the log does not have it. */
  async reservation(vmId: string, fence: number): Promise<string> {
    const found = await this.owner.reservationOf(vmId, fence);
    if (found !== undefined) return found;
    throw new DriverError("UNAVAILABLE", `the log has no reservation ${fence} for "${vmId}"`);
  }

  /** A machine without a cluster may be this agent's, from before clusters had ids: its reservation decides. */
  #isNamed({ clusterId, agentId }: Origin): boolean {
    return agentId === this.owner.agentId && (clusterId ?? this.owner.clusterId) === this.owner.clusterId;
  }
}
