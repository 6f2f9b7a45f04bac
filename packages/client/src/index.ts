/**
 * `@bioxen/client`: script cells from TypeScript.
 *
 * `connect` (or `startLocalStack`, for a BioXen of its own) gives a {@link Bioxen}; the module's factories use the one connected
 * last, as the original library's did.
 */
import { BIOLOGICAL_TYPES, type BiologicalType, VM_TYPES, type VmType } from "@bioxen/contracts";
import { type LocalStackOptions, startLocalStack as startStack } from "@bioxen/local-stack";
import { type Bioxen, type ConnectOptions, connect as connectTo, type VmConfig } from "./connection.ts";
import { BioxenError } from "./errors.ts";
import type { BioVm } from "./vm.ts";

export type { BiologicalType, VmSample, VmType, VmView } from "@bioxen/contracts";
export { Bioxen, type ConnectOptions, type VmConfig } from "./connection.ts";
export { BioxenError, type WatchEndReason, WatchError } from "./errors.ts";
export { EventWatch, type WatchEventsOptions, type WatchedEvent, type WatchOptions } from "./event-watch.ts";
export { ClientJobs, type JobOutcome, type SubmitOptions } from "./jobs.ts";
export { optimumOf } from "./optimum.ts";
export { ResourceManager, type ResourceUsage } from "./resource-manager.ts";
export { BioVm, type VmStatus } from "./vm.ts";
export type { VmNews } from "./watch.ts";

let latest: Bioxen | undefined;

/** Connects; the module's factories use this connection until another is made. Throws {@link BioxenError} UNAVAILABLE. */
export async function connect(options: ConnectOptions): Promise<Bioxen> {
  latest = await connectTo(options);
  return latest;
}

/** A BioXen of one's own: NATS and all services, ended by `close()`. */
export async function startLocalStack(options: LocalStackOptions = {}): Promise<Bioxen> {
  const stack = await startStack(options);
  const bioxen = await connect({ servers: stack.url });
  bioxen.onClose(() => stack.stop());
  return bioxen;
}

function connected(): Bioxen {
  if (latest !== undefined) return latest;
  const message = "not connected: call connect({ servers }) or startLocalStack() first";
  throw new BioxenError({ code: "UNAVAILABLE", message, retryable: false });
}

/** See {@link Bioxen.createBioVm}. */
export async function createBioVm(
  vmId: string,
  biologicalType: BiologicalType,
  vmType: VmType = "basic",
  config: VmConfig = {},
): Promise<BioVm> {
  return connected().createBioVm(vmId, biologicalType, vmType, config);
}

/** See {@link Bioxen.createBiologicalVm}. */
export async function createBiologicalVm(
  vmType: VmType = "basic",
  config: VmConfig & { readonly biologicalType?: BiologicalType } = {},
): Promise<BioVm> {
  return connected().createBiologicalVm(vmType, config);
}

export function supportedBiologicalTypes(): readonly BiologicalType[] {
  return BIOLOGICAL_TYPES;
}

export function supportedVmTypes(): readonly VmType[] {
  return VM_TYPES;
}
