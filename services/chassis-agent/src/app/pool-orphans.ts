/**
 * The machines in this agent's pool that a BioXen made and that do not belong to this agent.
 *
 * A machine of another agent of the same BioXen is no orphan while that agent runs a chassis: two agents may share a pool.
 */
import {
  badCursor,
  done,
  type Handled,
  PageBuilder,
  positionOfCursor,
  type RequestOf,
  type ResultOf,
} from "@bioxen/contracts";
import type { Orphan } from "@bioxen/vm-driver";
import type { Drivers } from "./drivers.ts";
import type { GuestView } from "./guest-view.ts";

export interface PoolOrphansOptions {
  readonly clusterId: string;
  readonly drivers: Drivers;
  readonly view: Pick<GuestView, "chassis" | "registered">;
  /** The chassis of this agent that are pools. */
  readonly poolIds: readonly string[];
}

export class PoolOrphans {
  readonly #options: PoolOrphansOptions;

  constructor(options: PoolOrphansOptions) {
    this.#options = options;
  }

  /**
   * Returns one page of the orphans in the pool that this chassis is, at most `maxBytes` bytes. The cursor is the last
   * uuid of the page, so the next page shows the pool as it is then.
   */
  listed(
    { chassisId, cursor, limit }: RequestOf<"chassisOrphans">,
    maxBytes: number,
  ): Handled<ResultOf<"chassisOrphans">> {
    const read = cursor === undefined ? undefined : positionOfCursor(cursor);
    if (read?.ok === false) return read;
    const position = read?.position ?? { after: "" };
    if (!("after" in position)) return badCursor("is not a cursor of this listing");
    const { after } = position;
    const all = this.#of(chassisId);
    const head = { clusterId: this.#options.clusterId, total: all.length, orphans: [] };
    const builder = new PageBuilder(head, maxBytes, limit);
    let last = after;
    for (const orphan of all.filter(({ uuid }) => uuid > after)) {
      const added = builder.add({
        value: orphan,
        field: "orphans",
        add: (page) => (page["orphans"] as Orphan[]).push(orphan),
      });
      if (added === "full") return done(builder.end(last) as never);
      if (added !== undefined) return added;
      last = orphan.uuid;
    }
    return done(builder.end(null) as never);
  }

  /** Returns the orphans in the pool that this chassis is, in order of uuid; none for a chassis that is no pool. */
  #of(chassisId: string): readonly Orphan[] {
    const { drivers, view, poolIds } = this.#options;
    if (!poolIds.includes(chassisId)) return [];
    const agents = new Set<string>();
    for (const [, chassis] of view.chassis.entries()) if (chassis.registered) agents.add(chassis.agentId);
    return drivers
      .orphans()
      .filter(({ cause, agentId }) => cause !== "agent" || !agents.has(agentId))
      .sort((a, b) => (a.uuid < b.uuid ? -1 : 1));
  }

  /**
   * Returns the counts for the heartbeat of a chassis; undefined for a chassis that is no pool. An object that was given
   * up counts until the log says that it is gone, also while a restarted agent tries again to remove it.
   */
  counts(chassisId: string): { readonly orphans: number; readonly leftBehind: number } | undefined {
    const { drivers, view, poolIds } = this.#options;
    if (!poolIds.includes(chassisId)) return undefined;
    const givenUp = [
      ...drivers.leftBehind().filter(({ nextTryAtMs }) => nextTryAtMs === undefined),
      ...(view.registered(chassisId)?.leftBehind ?? []).filter(({ nextTryAtMs }) => nextTryAtMs === null),
    ];
    const leftBehind = new Set(givenUp.map(({ uuid }) => uuid)).size;
    return { orphans: this.#of(chassisId).length, leftBehind };
  }
}
