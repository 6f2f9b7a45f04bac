/**
 * The machines in this agent's pool that a BioXen made and that do not belong to this agent.
 *
 * A machine of another agent of the same BioXen is no orphan while that agent runs a chassis: two agents may share a pool.
 */
import { MAX_LISTED_ORPHANS } from "@bioxen/contracts";
import type { Orphan } from "@bioxen/vm-driver";
import type { Drivers } from "./drivers.ts";
import type { GuestView } from "./guest-view.ts";

export interface PoolOrphansOptions {
  readonly clusterId: string;
  readonly drivers: Drivers;
  readonly view: Pick<GuestView, "chassis">;
  /** The chassis of this agent that are pools. */
  readonly poolIds: readonly string[];
}

export class PoolOrphans {
  readonly #options: PoolOrphansOptions;

  constructor(options: PoolOrphansOptions) {
    this.#options = options;
  }

  /** Returns the answer to the scheduler's question for the orphans in the pool that this chassis is. */
  listed(chassisId: string) {
    const all = this.#of(chassisId);
    const orphans = all
      .slice(0, MAX_LISTED_ORPHANS)
      .map((one) => ({ ...one, resources: { ...one.resources } }));
    return { clusterId: this.#options.clusterId, total: all.length, orphans };
  }

  /** Returns the orphans in the pool that this chassis is, in order of uuid; none for a chassis that is no pool. */
  #of(chassisId: string): readonly Orphan[] {
    const { drivers, view, poolIds } = this.#options;
    if (!poolIds.includes(chassisId)) return [];
    const agents = new Set<string>();
    for (const [, chassis] of view.chassis.entries()) if (chassis.registered) agents.add(chassis.agentId);
    return drivers.orphans().filter(({ cause, agentId }) => cause !== "agent" || !agents.has(agentId));
  }

  /** Returns the counts for the heartbeat of a chassis; undefined for a chassis that is no pool. */
  counts(chassisId: string): { readonly orphans: number; readonly leftBehind: number } | undefined {
    const { drivers, poolIds } = this.#options;
    if (!poolIds.includes(chassisId)) return undefined;
    const given = drivers.leftBehind().filter(({ nextTryAtMs }) => nextTryAtMs === undefined);
    return { orphans: this.#of(chassisId).length, leftBehind: given.length };
  }
}
