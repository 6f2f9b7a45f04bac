/**
 * The fake's XAPI methods for VMs, disks, network interfaces and the pool object.
 */
import * as copies from "./copies.ts";
import type { Handler } from "./handler.ts";
import type { Operations } from "./operations.ts";
import type { Pool } from "./pool.ts";
import { Refusal } from "./refusal.ts";

type StringMap = Record<string, string>;

export function vmMethods(pool: Pool, operations: Operations): Record<string, Handler> {
  return {
    ...copyMethods(pool, operations),
    ...powerMethods(pool, operations),
    ...fieldMethods(pool, operations),
    ...limitMethods(pool, operations),
    ...deviceMethods(pool),
  };
}

function copyMethods(pool: Pool, operations: Operations): Record<string, Handler> {
  const { db } = pool;
  return {
    "VM.clone": ({ signal }, vm: string, name: string) =>
      operations.run(vm, "clone", () => copies.clone(pool, vm, name), signal),
    "VM.copy": ({ signal, onProgress }, vm: string, name: string, sr: string) => {
      db.get("SR", sr);
      return operations.copy(vm, name, signal, onProgress);
    },
    "VM.snapshot": ({ signal }, vm: string, name: string) => operations.snapshot(vm, name, signal),
    "VM.checkpoint": ({ signal }, vm: string, name: string) => operations.checkpoint(vm, name, signal),
    "VM.revert": (_call, vm: string) => operations.revert(vm),
    "VM.provision": ({ signal }, vm: string) => {
      if (db.get("VM", vm)["is_a_template"] !== true) throw new Refusal("PROVISION_ONLY_ALLOWED_ON_TEMPLATE");
      return operations.run(vm, "provision", () => db.update("VM", vm, { is_a_template: false }), signal);
    },
    "VM.destroy": ({ signal }, vm: string) => operations.destroy(vm, signal),
  };
}

function powerMethods(pool: Pool, operations: Operations): Record<string, Handler> {
  const { db } = pool;
  return {
    "VM.start": ({ signal }, vm: string, paused: boolean) => operations.start(vm, paused, signal),
    "VM.resume": ({ signal }, vm: string, paused: boolean) => operations.resume(vm, paused, signal),
    "VM.suspend": ({ signal }, vm: string) => operations.suspend(vm, signal),
    "VM.pause": (_call, vm: string) => operations.pause(vm),
    "VM.unpause": (_call, vm: string) => operations.unpause(vm),
    "VM.clean_shutdown": ({ signal }, vm: string) => operations.cleanShutdown(vm, signal),
    "VM.hard_shutdown": ({ signal }, vm: string) => operations.hardShutdown(vm, signal),
    "VM.clean_reboot": ({ signal }, vm: string) =>
      operations.run(vm, "clean_reboot", () => undefined, signal),
    "VM.hard_reboot": ({ signal }, vm: string) =>
      operations.run(vm, "hard_reboot", () => db.update("VM", vm, { power_state: "Running" }), signal),
    "VM.pool_migrate": ({ signal }, vm: string, host: string) => operations.migrate(vm, host, signal),
  };
}

/** Methods that set fields of a VM or of the pool object. */
function fieldMethods(pool: Pool, operations: Operations): Record<string, Handler> {
  const { db } = pool;
  const set =
    (field: string): Handler =>
    (_call, vm: string, value: unknown) => {
      db.get("VM", vm);
      db.update("VM", vm, { [field]: value });
    };
  const { addTo, removeFrom } = mapFields(pool);
  return {
    "VM.set_name_label": set("name_label"),
    "VM.set_name_description": set("name_description"),
    "VM.set_other_config": set("other_config"),
    "VM.set_xenstore_data": (call, vm: string, data: Record<string, string>) => {
      set("xenstore_data")(call, vm, data);
      // Only a running domain gets the new data at once (message_forwarding.ml, `set_xenstore_data`).
      if (db.get("VM", vm)["power_state"] === "Running") pool.options.agents?.replaceXenstore(vm, data);
    },
    "VM.add_to_other_config": (_call, vm: string, key: string, value: string) =>
      addTo("VM", vm, "other_config", key, value),
    "VM.remove_from_other_config": (_call, vm: string, key: string) =>
      removeFrom("VM", vm, "other_config", key),
    "VM.add_tags": (_call, vm: string, tag: string) => {
      const tags = db.get("VM", vm)["tags"] as string[];
      if (!tags.includes(tag)) pool.link("VM", vm, "tags", tag);
    },
    "VM.remove_tags": (_call, vm: string, tag: string) => pool.unlink("VM", vm, "tags", tag),
    "VDI.add_to_other_config": (_call, vdi: string, key: string, value: string) =>
      addTo("VDI", vdi, "other_config", key, value),
    "VDI.remove_from_other_config": (_call, vdi: string, key: string) =>
      removeFrom("VDI", vdi, "other_config", key),
    "VM.set_VCPUs_params": set("VCPUs_params"),
    "VM.add_to_VCPUs_params": (_call, vm: string, key: string, value: string) =>
      addTo("VM", vm, "VCPUs_params", key, value),
    "VM.remove_from_VCPUs_params": (_call, vm: string, key: string) =>
      removeFrom("VM", vm, "VCPUs_params", key),
    "VM.add_to_VCPUs_params_live": (_call, vm: string, key: string, value: string) =>
      operations.run(vm, "changing_VCPUs_live", () =>
        db.update("VM", vm, {
          VCPUs_params: { ...(db.get("VM", vm)["VCPUs_params"] as StringMap), [key]: value },
        }),
      ),
    "pool.add_to_other_config": (_call, ref: string, key: string, value: string) =>
      addTo("pool", ref, "other_config", key, value),
    "pool.remove_from_other_config": (_call, ref: string, key: string) =>
      removeFrom("pool", ref, "other_config", key),
  };
}

function deviceMethods(pool: Pool): Record<string, Handler> {
  const { db } = pool;
  return {
    "VDI.destroy": (_call, vdi: string) => {
      const inUse = (db.get("VDI", vdi)["VBDs"] as string[]).some(
        (vbd) => db.get("VBD", vbd)["currently_attached"],
      );
      if (inUse) throw new Refusal("VDI_IN_USE", vdi, "destroy");
      pool.removeVdi(vdi);
    },
    "VIF.create": (_call, fields: Record<string, unknown>) => copies.addVif(pool, fields),
    "VIF.destroy": (_call, vif: string) => copies.removeVif(pool, vif),
  };
}

/** Returns two functions: one adds a key to a map field of an object, the other removes a key. */
function mapFields(pool: Pool) {
  const mapOf = (name: string, ref: string, field: string) => pool.db.get(name, ref)[field] as StringMap;
  return {
    addTo(name: string, ref: string, field: string, key: string, value: string): void {
      const map = mapOf(name, ref, field);
      if (key in map) throw new Refusal("MAP_DUPLICATE_KEY", name, field, ref, key);
      pool.db.update(name, ref, { [field]: { ...map, [key]: value } });
    },
    removeFrom(name: string, ref: string, field: string, key: string): void {
      const { [key]: _, ...rest } = mapOf(name, ref, field);
      pool.db.update(name, ref, { [field]: rest });
    },
  };
}

/** Methods that set memory and virtual CPUs, with XAPI's checks of their limits. */
function limitMethods(pool: Pool, operations: Operations): Record<string, Handler> {
  const { db } = pool;
  const vmOf = (ref: string) => db.get("VM", ref);
  const requireAscending = (...amounts: readonly number[]): void => {
    if (amounts.some((amount, i) => amount < (amounts[i - 1] ?? 0))) {
      throw new Refusal("MEMORY_CONSTRAINT_VIOLATION_ORDER");
    }
  };
  return {
    "VM.set_memory_limits": (
      _call,
      vm: string,
      min: number,
      max: number,
      dynamicMin: number,
      dynamicMax: number,
    ) => {
      requireAscending(min, dynamicMin, dynamicMax, max);
      return operations.run(vm, "changing_memory_limits", () =>
        db.update("VM", vm, {
          memory_static_min: min,
          memory_static_max: max,
          memory_dynamic_min: dynamicMin,
          memory_dynamic_max: dynamicMax,
          memory_target: dynamicMax,
        }),
      );
    },
    "VM.set_memory_dynamic_range": (_call, vm: string, min: number, max: number) => {
      const { memory_static_min, memory_static_max } = vmOf(vm) as Record<string, number>;
      requireAscending(memory_static_min ?? 0, min, max, memory_static_max ?? 0);
      return operations.run(vm, "changing_dynamic_range", () =>
        db.update("VM", vm, { memory_dynamic_min: min, memory_dynamic_max: max, memory_target: max }),
      );
    },
    "VM.set_VCPUs_max": (_call, vm: string, count: number) => {
      if (count < Number(vmOf(vm)["VCPUs_at_startup"]) || count < 1) {
        throw new Refusal("INVALID_VALUE", "VCPUs_max", String(count));
      }
      return operations.run(vm, "changing_VCPUs", () => db.update("VM", vm, { VCPUs_max: count }));
    },
    "VM.set_VCPUs_at_startup": (_call, vm: string, count: number) => {
      if (count < 1 || count > Number(vmOf(vm)["VCPUs_max"])) {
        throw new Refusal("INVALID_VALUE", "VCPUs_at_startup", String(count));
      }
      return operations.run(vm, "changing_VCPUs", () => db.update("VM", vm, { VCPUs_at_startup: count }));
    },
    "VM.set_VCPUs_number_live": (_call, vm: string, count: number) => {
      if (count < 1 || count > Number(vmOf(vm)["VCPUs_max"])) {
        throw new Refusal("INVALID_VALUE", "VCPUs_number_live", String(count));
      }
      return operations.run(vm, "changing_VCPUs_live", () => {
        const metrics = vmOf(vm)["metrics"] as string;
        db.update("VM_metrics", metrics, { VCPUs_number: count });
      });
    },
  };
}
