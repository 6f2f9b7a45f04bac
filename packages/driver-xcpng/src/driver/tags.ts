/**
 * Marks VMs of the pool as BioXen's: keys in their `other_config`.
 *
 * A copy of a VM, made by another user of the pool, inherits the keys. The keys therefore include the VM's own uuid,
 * and a copy does not count as BioXen's. A fresh clone has no keys yet; until they are set, its name identifies it.
 */
import type { KeptSnapshot } from "@bioxen/vm-driver";
import type { VmRecord } from "../xapi/records.ts";

const PREFIX = "bioxen:";
const KEYS = {
  owner: `${PREFIX}owner`,
  vmId: `${PREFIX}vm-id`,
  incarnation: `${PREFIX}incarnation`,
  fence: `${PREFIX}fence`,
  uuid: `${PREFIX}uuid`,
  grace: `${PREFIX}shutdown-grace-ms`,
  restores: `${PREFIX}restores`,
} as const;
/**
 * The key that marks a VM as having run under its fence. A start sets it and a stop by BioXen removes it, so a halted
 * VM with the mark was halted outside BioXen.
 */
export const RAN_KEY = `${PREFIX}ran`;

export interface Tags {
  readonly vmId: string;
  readonly incarnation: number;
  readonly fence: number;
  /** Time that a clean shutdown may take before the machine is switched off, ms; 0 switches it off at once. */
  readonly graceMs: number;
  /** How often the VM was restored from a snapshot. */
  readonly restores: number;
}

/**
 * Returns the VM's `other_config` with the keys for `tags`, and without the mark that the VM has run. Other entries are
 * kept.
 */
export function tagged(record: VmRecord, owner: string, tags: Tags): Record<string, string> {
  const { [RAN_KEY]: _, ...others } = record.other_config;
  return {
    ...others,
    [KEYS.owner]: owner,
    [KEYS.vmId]: tags.vmId,
    [KEYS.incarnation]: String(tags.incarnation),
    [KEYS.fence]: String(tags.fence),
    [KEYS.uuid]: record.uuid,
    [KEYS.grace]: String(tags.graceMs),
    [KEYS.restores]: String(tags.restores),
  };
}

/** Returns the values of the VM's `other_config` keys; undefined when the VM does not belong to `owner`. */
export function tagsOf(record: VmRecord, owner: string): Tags | undefined {
  const config = record.other_config;
  if (config[KEYS.owner] !== owner || config[KEYS.uuid] !== record.uuid || record.is_a_snapshot)
    return undefined;
  const vmId = config[KEYS.vmId];
  const [incarnation, fence] = [Number(config[KEYS.incarnation]), Number(config[KEYS.fence])];
  if (vmId === undefined || !(incarnation > 0) || !(fence > 0)) return undefined;
  const [graceMs, restores] = [Number(config[KEYS.grace] ?? 0), Number(config[KEYS.restores] ?? 0)];
  return { vmId, incarnation, fence, graceMs, restores };
}

/** Returns whether the VM has the mark that it has run under this fence. A stop by BioXen removes the mark. */
export function hasRun(record: VmRecord, fence: number): boolean {
  return record.other_config[RAN_KEY] === String(fence);
}

/** Returns the name that a clone has until its `other_config` keys are set; `nonce` makes the name unique. */
export function cloneName(owner: string, vmId: string, fence: number, nonce: string): string {
  return `bioxen/${owner}/${vmId}/${fence}/${nonce}`;
}

/**
 * Returns the name of a snapshot. A snapshot needs no `other_config` keys: it has this name from its creation, and the
 * name identifies the snapshot.
 */
export function snapshotName(owner: string, vmId: string, name: string, takenAtMs: number): string {
  return `bioxen/${owner}/${vmId}/snapshot/${name}/${takenAtMs}`;
}

/**
 * Parses the record's `name_label`, which contains the VM id, the snapshot's own name and its time. Returns undefined
 * unless the record is a snapshot that `owner` took.
 */
export function snapshotOf(record: VmRecord, owner: string): KeptSnapshot | undefined {
  if (!record.is_a_snapshot || !record.name_label.startsWith(`bioxen/${owner}/`)) return undefined;
  const [vmId, kind, name, takenAtMs] = record.name_label.slice(`bioxen/${owner}/`.length).split("/");
  if (vmId === undefined || kind !== "snapshot" || name === undefined) return undefined;
  return { vmId, name, takenAtMs: Number(takenAtMs) };
}

/**
 * Returns whether the record is a clone by `owner` without `other_config` keys: the clone is in progress, or a crash
 * left it.
 */
export function isUnfinishedClone(record: VmRecord, owner: string): boolean {
  const isClone =
    record.is_a_template && !record.is_a_snapshot && record.name_label.startsWith(`bioxen/${owner}/`);
  return isClone && tagsOf(record, owner) === undefined;
}
