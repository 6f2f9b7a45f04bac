/**
 * Marks VMs of the pool as BioXen's: keys in their `other_config`.
 *
 * A copy of a VM, made by another user of the pool, inherits the keys. The keys therefore include the VM's own uuid,
 * and a copy does not count as BioXen's. A fresh clone has no keys yet; until they are set, its name identifies it.
 */
import type { KeptSnapshot } from "@bioxen/vm-driver";
import type { VdiRecord, VmRecord } from "../xapi/records.ts";

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
/** The key in a disk's `other_config` that marks the disk for removal. */
const REMOVE_KEY = `${PREFIX}remove`;
/**
 * The key that marks a VM as having run under its fence. A start sets it and a stop by BioXen removes it, so a halted
 * VM with the mark was halted outside BioXen.
 */
export const RAN_KEY = `${PREFIX}ran`;

/**
 * Tags of the VM that say how far a restore is. A revert replaces `other_config` by that of the snapshot time, but keeps
 * the tags (xapi-project/xen-api, xapi_vm_snapshot.ml, `do_not_copy`). Each tag contains the number of the restore, and
 * the start of the VM's uuid, because a copy of the VM inherits its tags.
 */
const RESTORE_TAG = /^bioxen-(restoring|restored)-(\d+)-([0-9a-f]{8})$/;

type RestoreStep = "restoring" | "restored";

/** Returns the tag that says that the restore with this number has begun (`restoring`) or is complete (`restored`). */
export function restoreTag(step: RestoreStep, restores: number, record: VmRecord): string {
  return `bioxen-${step}-${restores}-${record.uuid.slice(0, 8)}`;
}

/** Returns the VM's own restore tags. */
export function restoreTagsOf(record: VmRecord): readonly string[] {
  return record.tags.filter((tag) => RESTORE_TAG.exec(tag)?.[3] === record.uuid.slice(0, 8));
}

/** Returns the largest number of a restore that is at this step; 0 without one. */
function latestRestore(step: RestoreStep, record: VmRecord): number {
  const matches = restoreTagsOf(record).map((tag) => RESTORE_TAG.exec(tag));
  return Math.max(0, ...matches.filter((match) => match?.[1] === step).map((match) => Number(match?.[2])));
}

/**
 * Returns whether a restore of this VM was interrupted after its revert. The machine then has not run since, and its
 * `other_config` keys may be those of the snapshot time.
 */
export function isHalfRestored(record: VmRecord, { restores }: Tags): boolean {
  const isAtRest = record.power_state === "Halted" || record.power_state === "Suspended";
  return isAtRest && latestRestore("restoring", record) > restores;
}

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
  const [graceMs, counted] = [Number(config[KEYS.grace] ?? 0), Number(config[KEYS.restores] ?? 0)];
  // Another user's revert to an older snapshot also takes back the count in `other_config`.
  const restores = Math.max(counted, latestRestore("restored", record));
  return { vmId, incarnation, fence, graceMs, restores };
}

/** Returns the VM id in the keys of a VM or snapshot that BioXen made, or in its name; "" without one. */
export function vmIdIn({ other_config, name_label }: VmRecord): string {
  const [prefix, , vmId = ""] = name_label.split("/");
  return other_config[KEYS.vmId] ?? (prefix === "bioxen" ? vmId : "");
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
 * Returns the entry of a disk's `other_config` that marks the disk for removal. The mark contains the disk's own uuid,
 * because a copy of the disk inherits the entry.
 */
export function removalMark(owner: string, vmId: string, diskUuid: string): readonly [string, string] {
  return [REMOVE_KEY, `${owner}/${vmId}/${diskUuid}`];
}

/** Returns the VM id in a disk's mark for removal; undefined unless `owner` has marked this very disk. */
export function removedFor(disk: VdiRecord, owner: string): string | undefined {
  const [marker, vmId, uuid] = disk.other_config[REMOVE_KEY]?.split("/") ?? [];
  return marker === owner && uuid === disk.uuid ? vmId : undefined;
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
