/**
 * The failover plan of the fake pool with high availability: whether a start would break it.
 */
import { neededBy, type Pool } from "./pool.ts";
import { Refusal } from "./refusal.ts";
import type { FakeRecord } from "./schema.ts";

/**
 * Throws when a start of the VM on this host would break the pool's failover plan (xapi_ha_vm_failover.ml,
 * `assert_configuration_change_preserves_ha_plan`): with high availability, without `ha_allow_overcommit`, and only if
 * there is a plan for `ha_plan_exists_for` failures now. The fake plans for the failure of the hosts whose protected VMs
 * need most memory, and only compares sums.
 */
export function assertKeepsPlan(pool: Pool, vm: FakeRecord, host: string): void {
  const { ha_enabled, ha_allow_overcommit, ha_plan_exists_for } = pool.db.get("pool", pool.ref);
  if (ha_enabled !== true || ha_allow_overcommit === true) return;
  const failures = Number(ha_plan_exists_for);
  if (hasPlan(pool, failures) && !hasPlan(pool, failures, { host, vm })) {
    throw new Refusal("HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN");
  }
}

function hasPlan(pool: Pool, failures: number, arriving?: { host: string; vm: FakeRecord }): boolean {
  const { db } = pool;
  const hosts = db.all("host").map(([host]) => {
    const arrives = arriving?.host === host ? arriving.vm : undefined;
    const isProtected = (vm: FakeRecord) =>
      vm["ha_restart_priority"] === "restart" && vm["ha_always_run"] === true;
    const guarded = db.all("VM").filter(([, vm]) => vm["resident_on"] === host && isProtected(vm));
    const joins =
      arrives !== undefined && arrives["ha_restart_priority"] === "restart" ? neededBy(arrives) : 0;
    return {
      free: pool.freeMemory(host) - (arrives === undefined ? 0 : neededBy(arrives)),
      guarded: guarded.reduce((sum, [, vm]) => sum + neededBy(vm), joins),
    };
  });
  hosts.sort((a, b) => b.guarded - a.guarded);
  const lost = hosts.slice(0, failures).reduce((sum, host) => sum + host.guarded, 0);
  const free = hosts.slice(failures).reduce((sum, host) => sum + Math.max(0, host.free), 0);
  return lost <= free;
}
