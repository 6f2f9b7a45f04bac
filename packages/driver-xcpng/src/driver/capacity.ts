/**
 * Computes what a pool has for BioXen's VMs: the processors of the live hosts, and their memory minus that of Xen, the
 * control domains and other running VMs; in all, and for each host.
 *
 * Processors are time-shared, so other VMs do not reduce their number. A host in maintenance mode (`enabled` is false)
 * takes no VM (xapi-project/xen-api, xapi_vm_helpers.ml, `assert_host_is_enabled`) and counts with nothing. With high
 * availability the pool keeps memory for the restart of protected VMs, and refuses a start that would use it with
 * HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN (xapi_ha_vm_failover.ml, `assert_configuration_change_preserves_ha_plan`). That
 * memory is not offered. The pool holds to the failures that it has a plan for (`ha_plan_exists_for`), which are fewer
 * than it is to tolerate while it is overcommitted, and to none with `ha_allow_overcommit`.
 */
import type { HostRoom } from "@bioxen/vm-driver";
import type { XapiClient } from "../xapi/client.ts";
import type { HostMetricsRecord, HostRecord, PoolRecord, VmRecord } from "../xapi/records.ts";
import type { Inventory } from "./inventory.ts";
import { DOMAIN_OVERHEAD_PERMILLE, MIB } from "./limits.ts";
import { isProtected } from "./pool-restarts.ts";

export interface PoolCapacity {
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** The hosts that take VMs, each with what it has when it runs none of BioXen's VMs, in order of name. */
  readonly hosts: readonly HostRoom[];
}

/** Failures of hosts: how many the pool is to tolerate, and for how many it has a plan to restart the protected VMs. */
export interface FailoverGap {
  readonly toTolerate: number;
  readonly planned: number;
}

/** The records of a pool that decide about its capacity, as read at one time. */
export interface PoolHosts {
  readonly hosts: Readonly<Record<string, HostRecord>>;
  readonly metrics: Readonly<Record<string, HostMetricsRecord>>;
  readonly pool: PoolRecord | undefined;
}

export async function readPoolHosts(client: XapiClient): Promise<PoolHosts> {
  const [hosts, metrics, pools] = await Promise.all([
    client.call("host.get_all_records", []),
    client.call("host_metrics.get_all_records", []),
    client.call("pool.get_all_records", []),
  ]);
  return { hosts, metrics, pool: Object.values(pools)[0] };
}

/** Returns the capacity. `inventory` tells how much memory VMs of other owners use. No value is below 0. */
export function capacityOf(known: PoolHosts, inventory: Inventory): PoolCapacity {
  const isForeign = (ref: string): boolean => inventory.ownByRef(ref) === undefined;
  const hosts = roomsOf(known, inventory, isForeign);
  const reserved = offered(haReserveBytes(known, inventory));
  const memory = hosts.reduce((sum, host) => sum + host.memoryMiB, 0);
  return {
    vcpus: hosts.reduce((sum, host) => sum + host.vcpus, 0),
    memoryMiB: Math.max(0, memory - reserved),
    hosts,
  };
}

/** Returns the hosts that take VMs, each with its processors and the memory that is free now, in order of name. */
export function freeHostsOf(known: PoolHosts, inventory: Inventory): readonly HostRoom[] {
  return roomsOf(known, inventory, () => true);
}

/** Returns by how much the pool's high availability falls short; undefined while it does not. */
export function failoverGapOf({ pool }: PoolHosts): FailoverGap | undefined {
  if (pool?.ha_enabled !== true || !pool.ha_overcommitted) return undefined;
  return { toTolerate: Number(pool.ha_host_failures_to_tolerate), planned: Number(pool.ha_plan_exists_for) };
}

/** Returns whether the host takes VMs: it is alive and not in maintenance mode. */
export function takesVms({ enabled, metrics }: HostRecord, measured: PoolHosts["metrics"]): boolean {
  return enabled && measured[metrics]?.live === true;
}

function roomsOf(
  { hosts, metrics }: PoolHosts,
  inventory: Inventory,
  counts: (ref: string) => boolean,
): readonly HostRoom[] {
  const used = new Map<string, number>();
  for (const [ref, vm] of inventory.entries()) {
    if (counts(ref)) used.set(vm.resident_on, (used.get(vm.resident_on) ?? 0) + memoryOf(vm));
  }
  const rooms = Object.entries(hosts).flatMap(([ref, host]): HostRoom[] => {
    if (!takesVms(host, metrics)) return [];
    const total = Number(metrics[host.metrics]?.memory_total) - Number(host.memory_overhead);
    const vcpus = Number(host.cpu_info["cpu_count"] ?? 0);
    return [{ name: host.name_label, vcpus, memoryMiB: offered(total - (used.get(ref) ?? 0)) }];
  });
  return rooms.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Returns the memory that the pool keeps for the restart of protected VMs, bytes: that of the protected VMs on as many
 * hosts as the pool has a plan for, those with the most. 0 without high availability.
 */
function haReserveBytes({ hosts, pool }: PoolHosts, inventory: Inventory): number {
  if (pool?.ha_enabled !== true || pool.ha_allow_overcommit) return 0;
  const onHost = new Map<string, number>();
  for (const [, vm] of inventory.entries()) {
    if (!isProtected(vm) || hosts[vm.resident_on] === undefined) continue;
    onHost.set(vm.resident_on, (onHost.get(vm.resident_on) ?? 0) + memoryOf(vm));
  }
  const most = [...onHost.values()].sort((a, b) => b - a);
  const failures = Number(pool.ha_plan_exists_for);
  return most.slice(0, failures).reduce((sum, bytes) => sum + bytes, 0);
}

function memoryOf(vm: VmRecord): number {
  return Number(vm.memory_dynamic_max) + Number(vm.memory_overhead);
}

/** Returns the part of this memory that VMs get, MiB: domains need the rest. */
function offered(bytes: number): number {
  return Math.max(0, Math.floor((bytes / MIB) * (1 - DOMAIN_OVERHEAD_PERMILLE / 1_000)));
}
