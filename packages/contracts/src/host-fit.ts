/**
 * The hosts inside a chassis that is a pool: whether one of them can run a VM.
 *
 * A pool has one ledger, over all its hosts, but a machine runs on one host. A VM that fits the sum and no single host
 * is refused for lack of room. Processors of a host are time-shared: a machine needs a host with at least as many as it
 * may get virtual CPUs without a restart, and takes none away. XAPI compares the host with `VCPUs_max`, not with the
 * number at the start (xapi-project/xen-api, xapi_vm_helpers.ml, `assert_enough_pcpus`; HOST_NOT_ENOUGH_PCPUS). Memory is
 * taken. The pool chooses the host at the start; this file assumes the one with the most free memory.
 */
import { type Amounts, amountOf } from "@bioxen/kernel";
import * as z from "zod";
import type { Misfit } from "./misfit.ts";

/** Maximum number of hosts of one pool; XAPI supports 64. */
export const MAX_HOSTS = 64;

/** What one host has for VMs: processors, and memory in MiB. */
const hostRoom = z.strictObject({
  name: z.string().max(255),
  vcpus: z.int().min(0),
  memoryMiB: z.int().min(0),
});
export type HostRoom = z.infer<typeof hostRoom>;

export const hostRooms = z.array(hostRoom).max(MAX_HOSTS);
/** Schema of the hosts in an event, a view or a sample. */
export const recordedHosts = z.array(z.object(hostRoom.shape)).max(MAX_HOSTS);

/**
 * Returns what a machine needs of its host: its request, with `config.maxVcpus` processors if that is more. `config` is
 * that of the VM.
 */
export function hostNeeds(request: Amounts, config: Readonly<Record<string, unknown>> = {}): Amounts {
  const most = config["maxVcpus"];
  if (typeof most !== "number" || most <= amountOf(request, "vcpus")) return request;
  return { ...request, vcpus: most };
}

const fitsOn = ({ vcpus, memoryMiB }: HostRoom, request: Amounts): boolean =>
  amountOf(request, "vcpus") <= vcpus && amountOf(request, "memoryMiB") <= memoryMiB;

/**
 * Returns why no host can run a VM that needs this of its host ({@link hostNeeds}); undefined when one can, or when the
 * chassis has no hosts of its own.
 */
export function hostMisfit(
  hosts: readonly HostRoom[] | undefined,
  request: Amounts,
  free: "free" | "in all" = "free",
): Misfit | undefined {
  if (hosts === undefined || hosts.some((host) => fitsOn(host, request))) return undefined;
  if (hosts.length === 0) {
    return { code: "CAPACITY_EXCEEDED", message: "no host of the pool is enabled and alive" };
  }
  const [vcpus, memoryMiB] = [amountOf(request, "vcpus"), amountOf(request, "memoryMiB")];
  const able = hosts.filter((host) => host.vcpus >= vcpus);
  if (able.length === 0) {
    const most = Math.max(...hosts.map((host) => host.vcpus));
    const message = `no host of the pool has ${vcpus} processors: the largest has ${most}`;
    return { code: "CAPACITY_EXCEEDED", message, resource: "vcpus", requested: vcpus, free: most };
  }
  const most = Math.max(...able.map((host) => host.memoryMiB));
  const where = able.find((host) => host.memoryMiB === most)?.name ?? "";
  const message = `no host of the pool has ${memoryMiB} MiB ${free}: ${where} has most, ${most} MiB`;
  return { code: "CAPACITY_EXCEEDED", message, resource: "memoryMiB", requested: memoryMiB, free: most };
}

/** Returns the rooms of the hosts after this VM was started on the one with the most free memory that can run it. */
export function withoutRoomFor(hosts: readonly HostRoom[], request: Amounts): readonly HostRoom[] {
  const able = hosts.filter((host) => fitsOn(host, request));
  const chosen = able.reduce<HostRoom | undefined>(
    (best, host) => (best === undefined || host.memoryMiB > best.memoryMiB ? host : best),
    undefined,
  );
  const taken = amountOf(request, "memoryMiB");
  return hosts.map((host) => (host === chosen ? { ...host, memoryMiB: host.memoryMiB - taken } : host));
}
