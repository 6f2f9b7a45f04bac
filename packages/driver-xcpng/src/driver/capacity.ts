/**
 * Computes the capacity of a pool for BioXen's VMs: the processors of the live hosts, and their memory minus that of
 * Xen, the control domains and other running VMs.
 *
 * Processors are time-shared, so other VMs do not reduce their number. The capacity is a sum over hosts. The pool can
 * therefore reject the start of a VM that fits this sum but no single host.
 */
import type { XapiClient } from "../xapi/client.ts";
import type { Inventory } from "./inventory.ts";
import { DOMAIN_OVERHEAD_PERMILLE, MIB } from "./limits.ts";

export interface PoolCapacity {
  readonly vcpus: number;
  readonly memoryMiB: number;
}

/** Resolves with the capacity. `inventory` tells how much memory VMs of other owners use. No value is below 0. */
export async function capacityOf(client: XapiClient, inventory: Inventory): Promise<PoolCapacity> {
  const [hosts, metrics] = await Promise.all([
    client.call("host.get_all_records", []),
    client.call("host_metrics.get_all_records", []),
  ]);
  let [vcpus, bytes] = [0, 0];
  const up = new Set<string>();
  for (const [ref, host] of Object.entries(hosts)) {
    const measured = metrics[host.metrics];
    if (!host.enabled || measured?.live !== true) continue;
    up.add(ref);
    vcpus += Number(host.cpu_info["cpu_count"] ?? 0);
    bytes += Number(measured.memory_total) - Number(host.memory_overhead);
  }
  for (const [ref, vm] of inventory.entries()) {
    if (!up.has(vm.resident_on) || inventory.ownByRef(ref) !== undefined) continue;
    bytes -= vm.memory_dynamic_max + vm.memory_overhead;
  }
  const memoryMiB = Math.floor((bytes / MIB) * (1 - DOMAIN_OVERHEAD_PERMILLE / 1_000));
  return { vcpus, memoryMiB: Math.max(0, memoryMiB) };
}
