/**
 * What a machine can read about its VM from its first instruction on: keys in xenstore, below `vm-data/bioxen/`.
 *
 * XAPI copies the keys of `xenstore_data` that begin with `vm-data` into the xenstore of the domain when the machine starts
 * (xapi-project/xen-api, xapi_xenops.ml). A program in the machine reads them with `xenstore-read`.
 */
import { DriverError, type GuestSpec } from "@bioxen/vm-driver";
import { HOST_KEY_XENSTORE } from "../ssh/host-keys.ts";

const FOLDER = "vm-data/bioxen/";
/** Largest value of a key, bytes: the default quota of xenstored for an entry of a guest. */
const MAX_VALUE_BYTES = 2_048;

type StringMap = Readonly<Record<string, string>>;

/**
 * Returns the keys of the VM: `vm-id`, `incarnation`, `type`, `seed`, and as JSON objects `environment` and
 * `allocation`, the latter in the units of the resources. Throws `TOO_LARGE` when a value is larger than xenstore
 * accepts.
 */
export function identityOf({ environment = {}, ...spec }: GuestSpec): StringMap {
  const values = {
    "vm-id": spec.vmId,
    incarnation: String(spec.incarnation),
    type: spec.biologicalType,
    seed: String(spec.seed),
    environment: JSON.stringify(environment),
    allocation: JSON.stringify(spec.allocation),
  };
  const keys = Object.entries(values).map(([name, value]) => {
    if (Buffer.byteLength(value) > MAX_VALUE_BYTES) {
      throw new DriverError(
        "TOO_LARGE",
        `${name} is larger than a value of xenstore: ${MAX_VALUE_BYTES} bytes`,
      );
    }
    return [`${FOLDER}${name}`, value];
  });
  return Object.fromEntries(keys);
}

/**
 * Returns the `xenstore_data` of a machine that is about to start for `spec`. A new clone still has the data of its
 * template: its host key is that of another machine, and is left out.
 */
export function withIdentity(data: StringMap, spec: GuestSpec, isNewClone: boolean): StringMap {
  const kept = Object.entries(data).filter(
    ([key]) => !key.startsWith(FOLDER) && !(isNewClone && key === HOST_KEY_XENSTORE),
  );
  return { ...Object.fromEntries(kept), ...identityOf(spec) };
}
