/**
 * What a machine can read about its VM from its first instruction on: keys in xenstore, below `vm-data/bioxen/`.
 *
 * XAPI copies the keys of `xenstore_data` that begin with `vm-data` into the xenstore of the domain when the machine starts
 * or is resumed (xapi-project/xen-api, domain.ml, `make`). A program in the machine reads them with `xenstore-read`, and
 * XAPI copies what the machine writes there back into `xenstore_data` (xapi_xenops.ml, `update_vm`).
 *
 * The keys of a running machine are never changed. `VM.set_xenstore_data` would reach it, but it first removes the whole
 * tree `vm-data` and writes it again (domain.ml, `set_xsdata`): what the machine wrote is lost, and the new tree has the
 * rights of its parent, so that the machine can read it and no longer write. Changes of a running cell go over SSH.
 */
import { AGENT_KEY, identityKeys, SAMPLE_KEY, XENSTORE_FOLDER } from "@bioxen/guest-agent/protocol";
import type { GuestSpec } from "@bioxen/vm-driver";
import { HOST_KEY_XENSTORE } from "../ssh/host-keys.ts";
import type { VmRecord } from "../xapi/records.ts";
import { identityOf } from "./cell-settings.ts";

type StringMap = Readonly<Record<string, string>>;

/** Keys that the guest agent wrote. They describe the last run of the machine. */
const REPORTS: readonly string[] = [AGENT_KEY, SAMPLE_KEY];

/**
 * Returns the `xenstore_data` of a machine that is about to start or to be resumed for `spec`. A new clone still has the
 * data of its template: its host key is that of another machine, and is left out. The guest agent of a suspended machine
 * goes on and repeats a report that has not changed only after a while, so its reports stay. Throws `TOO_LARGE` or `BAD_REQUEST` for
 * a value that xenstore does not transfer.
 */
export function withIdentity(
  {
    xenstore_data: data,
    is_a_template,
    power_state,
  }: Pick<VmRecord, "xenstore_data" | "is_a_template" | "power_state">,
  spec: GuestSpec,
  timeScale: number,
): StringMap {
  const isKept = (key: string): boolean => {
    if (key.startsWith(XENSTORE_FOLDER)) return power_state === "Suspended" && REPORTS.includes(key);
    return !(is_a_template && key === HOST_KEY_XENSTORE);
  };
  const kept = Object.entries(data).filter(([key]) => isKept(key));
  return { ...Object.fromEntries(kept), ...identityKeys(identityOf(spec, timeScale)) };
}
