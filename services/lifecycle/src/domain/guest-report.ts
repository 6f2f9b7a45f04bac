/**
 * What an agent reports about the guest that it runs for a VM.
 */
import type { ParsedRequestOf } from "@bioxen/contracts";

/**
 * `fence` names the reservation that the guest ran under. The endpoint `vmReport` says which fields come with which
 * `observed`.
 */
export type GuestReport = Omit<ParsedRequestOf<"vmReport">, "vmId">;
