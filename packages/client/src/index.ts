/**
 * `@bioxen/client`: script cells from TypeScript, in Node and in browsers.
 *
 * `connect` returns a {@link Bioxen}. The factories of this module use the latest connection, like the factories of the
 * original Python library (docs/from-bioxen-python.md). In Node, `@bioxen/client/local` starts a private BioXen.
 */
import { BIOLOGICAL_TYPES, type BiologicalType, VM_TYPES, type VmType } from "@bioxen/contracts";
import { type Bioxen, type ConnectOptions, connect as connectFound, type VmConfig } from "./connection.ts";
import { connected, remembered } from "./latest.ts";
import type { BioVm } from "./vm.ts";

export type { BiologicalType, VmSample, VmType, VmView } from "@bioxen/contracts";
export type { TlsSettings } from "@bioxen/nats/client";
export { Calls, type CallsOptions, type Connection, type OneCallOptions, type ReplyOf } from "./calls.ts";
export { Bioxen, type ConnectOptions, type VmConfig } from "./connection.ts";
export type { Course, CourseOptions } from "./course.ts";
export { BioxenError, type WatchEndReason, WatchError } from "./errors.ts";
export { EventWatch, type WatchEventsOptions, type WatchedEvent, type WatchOptions } from "./event-watch.ts";
export { ClientJobs, type JobOutcome, type SubmitOptions } from "./jobs.ts";
export { optimumOf } from "./optimum.ts";
export { ResourceManager, type ResourceUsage } from "./resource-manager.ts";
export type { Accepted, Refused } from "./until-settled.ts";
export { BioVm, type VmStatus } from "./vm.ts";
export type { VmNews } from "./watch.ts";

/**
 * Connects to a BioXen; the factories of this module use this connection until the next `connect`.
 * Throws {@link BioxenError}:
 * - UNAVAILABLE when no server is found, or when no server answers.
 * - UNAVAILABLE at once when a server refuses the login or TLS (`details.reason`).
 * - BAD_REQUEST with every problem of a URL or file.
 */
export async function connect(options: ConnectOptions = {}): Promise<Bioxen> {
  return remembered(await connectFound(options));
}

/** Calls {@link Bioxen.createBioVm} on the latest connection. */
export async function createBioVm(
  vmId: string,
  biologicalType: BiologicalType,
  vmType: VmType = "basic",
  config: VmConfig = {},
): Promise<BioVm> {
  return connected().createBioVm(vmId, biologicalType, vmType, config);
}

/** Calls {@link Bioxen.createBiologicalVm} on the latest connection. */
export async function createBiologicalVm(
  vmType: VmType = "basic",
  config: VmConfig & { readonly biologicalType?: BiologicalType } = {},
): Promise<BioVm> {
  return connected().createBiologicalVm(vmType, config);
}

/** The biological types that a VM can have. */
export function supportedBiologicalTypes(): readonly BiologicalType[] {
  return BIOLOGICAL_TYPES;
}

/** The infrastructure types that a VM can have. */
export function supportedVmTypes(): readonly VmType[] {
  return VM_TYPES;
}
