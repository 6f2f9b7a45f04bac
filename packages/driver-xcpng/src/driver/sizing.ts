/**
 * Sets memory, virtual CPUs and processor share of a VM, in the order that the pool accepts.
 *
 * One call sets all memory limits, which must satisfy static min ≤ dynamic min ≤ dynamic max ≤ static max. The number
 * of virtual CPUs must not exceed its maximum. If the new maximum is below the present number, the number is therefore
 * set first; otherwise the maximum is set first. The size of a running VM can only change within its maxima.
 */
import { DriverError } from "@bioxen/vm-driver";
import type { XapiClient } from "../xapi/client.ts";
import type { VmRecord } from "../xapi/records.ts";
import type { OwnVm } from "./inventory.ts";
import { MIB } from "./limits.ts";
import type { MachineSettings } from "./machine-settings.ts";
import type { Statistics } from "./statistics.ts";

/** Sets the whole size of a halted VM. Calls the pool only for values that differ. */
export async function size(
  client: XapiClient,
  ref: string,
  record: VmRecord,
  settings: MachineSettings,
): Promise<void> {
  const [memory, most] = [settings.memoryMiB * MIB, settings.maxMemoryMiB * MIB];
  const { memory_static_max, memory_dynamic_max, memory_dynamic_min } = record;
  const isSame = memory_static_max === most && memory_dynamic_max === memory && memory_dynamic_min === memory;
  const least = Math.min(record.memory_static_min, memory);
  if (!isSame) await client.call("VM.set_memory_limits", [ref, least, most, memory, memory]);
  const { vcpus, maxVcpus } = settings;
  const setMax = async (): Promise<void> => {
    if (record.VCPUs_max !== maxVcpus) await client.call("VM.set_VCPUs_max", [ref, maxVcpus]);
  };
  const setNumber = async (): Promise<void> => {
    if (record.VCPUs_at_startup !== vcpus) await client.call("VM.set_VCPUs_at_startup", [ref, vcpus]);
  };
  const isGrowing = maxVcpus >= record.VCPUs_at_startup;
  for (const step of isGrowing ? [setMax, setNumber] : [setNumber, setMax]) await step();
  await weigh(client, ref, record, settings);
}

/** Sets the weight and the cap of the VM's virtual CPUs, in any power state: they act when its domain is built next. */
export async function weigh(
  client: XapiClient,
  ref: string,
  record: VmRecord,
  settings: MachineSettings,
): Promise<void> {
  const { cap: _, ...rest } = record.VCPUs_params;
  const params = {
    ...rest,
    weight: String(settings.weight),
    ...(settings.cap > 0 ? { cap: String(settings.cap) } : {}),
  };
  if (JSON.stringify(params) !== JSON.stringify(record.VCPUs_params)) {
    await client.call("VM.set_VCPUs_params", [ref, params]);
  }
}

/**
 * Resizes a running VM within its maxima. Returns a description of each change that needs a restart; empty when
 * everything was set. Rejects with the pool's errors.
 */
async function resizeLive(
  client: XapiClient,
  ref: string,
  record: VmRecord,
  wanted: { readonly vcpus: number; readonly memoryMiB: number },
  vcpusNow: number,
): Promise<readonly string[]> {
  const left: string[] = [];
  const asked = wanted.memoryMiB * MIB;
  const memory = Math.max(record.memory_static_min, Math.min(asked, record.memory_static_max));
  const vcpus = Math.min(wanted.vcpus, record.VCPUs_max);
  if (memory < asked)
    left.push(`memory above ${record.memory_static_max / MIB} MiB (its config.maxMemoryMiB)`);
  if (vcpus < wanted.vcpus) left.push(`more than ${record.VCPUs_max} vCPUs (its config.maxVcpus)`);
  if (record.memory_dynamic_max !== memory || record.memory_dynamic_min !== memory) {
    await client.call("VM.set_memory_dynamic_range", [ref, memory, memory]);
  }
  if (vcpusNow !== vcpus) await client.call("VM.set_VCPUs_number_live", [ref, vcpus]);
  return left;
}

/**
 * Gives a running guest its new allocation, as far as possible without a restart. Returns a description of each change
 * that needs a restart. Rejects with `BAD_REQUEST` when the allocation is malformed, and with the pool's errors.
 */
export async function resizeGuest(
  { client, statistics }: { readonly client: XapiClient; readonly statistics: Statistics },
  vm: OwnVm,
  { vcpus, memoryMiB }: Readonly<Record<string, number>>,
): Promise<readonly string[]> {
  if (
    !(Number.isInteger(vcpus) && Number.isInteger(memoryMiB)) ||
    vcpus === undefined ||
    memoryMiB === undefined
  ) {
    throw new DriverError("BAD_REQUEST", "an allocation of a machine needs integer vcpus and memoryMiB");
  }
  const now = await statistics.vcpusOf(vm);
  const wanted = { vcpus: Math.max(1, vcpus), memoryMiB };
  const left = await resizeLive(client, vm.ref, vm.record, wanted, now);
  statistics.forget(vm.tags.vmId);
  return left;
}
