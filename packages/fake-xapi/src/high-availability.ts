/**
 * High availability of the fake pool: what happens to the VMs of a host that fails.
 */
import * as copies from "./copies.ts";
import type { Operations } from "./operations.ts";
import type { Pool } from "./pool.ts";
import type { FakeRecord } from "./schema.ts";

/**
 * Fails a host. Its metrics are no longer live. With high availability its VMs are halted and without a host; then the
 * protected VMs are started on other hosts, and after them those of `best-effort`, each once
 * (xapi_ha_vm_failover.ml, `restart_auto_run_vms`). Without it, the records of the VMs stay as they are.
 */
export async function failHost(pool: Pool, operations: Operations, host: string): Promise<void> {
  const { db } = pool;
  const { metrics } = db.get("host", host) as { metrics: string };
  db.update("host_metrics", metrics, { live: false });
  if (db.get("pool", pool.ref)["ha_enabled"] !== true) return;
  const isLost = (vm: FakeRecord) => vm["resident_on"] === host && vm["is_control_domain"] !== true;
  const lost = db.all("VM").filter(([, vm]) => isLost(vm));
  for (const [vm] of lost) {
    pool.options.agents?.kill(vm);
    copies.resetState(pool, vm, "Halted");
  }
  const restarted = [
    ...lost.filter(([, vm]) => vm["ha_restart_priority"] === "restart" && vm["ha_always_run"] === true),
    ...lost.filter(([, vm]) => vm["ha_restart_priority"] === "best-effort"),
  ];
  // A restart that fails is tried again by the real pool; the fake leaves the VM halted.
  for (const [vm] of restarted) await operations.start(vm, false).catch(() => undefined);
}
