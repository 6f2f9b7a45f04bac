/**
 * How a VM of the pool is known to be ours: keys in its `other_config`.
 *
 * A copy somebody makes of one of our VMs takes the keys over, so they name the VM's own uuid too, and a copy is none
 * of ours. A clone carries no keys yet: until they are set, its name says what it is for, and nobody else's name looks so.
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
/** Set once it runs on that fence, taken away when we end it: a halted VM that has it was halted by somebody else. */
export const RAN_KEY = `${PREFIX}ran`;

export interface Tags {
  readonly vmId: string;
  readonly incarnation: number;
  readonly fence: number;
  /** How long a clean shutdown may take before a hard one, ms; 0: hard at once. */
  readonly graceMs: number;
  /** How often it was set back to a snapshot. */
  readonly restores: number;
}

/** The other_config of a VM of ours, what else was in it kept. */
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

/** undefined when it is not ours. */
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

export function hasRun(record: VmRecord, fence: number): boolean {
  return record.other_config[RAN_KEY] === String(fence);
}

export function cloneName(owner: string, vmId: string, fence: number, nonce: string): string {
  return `bioxen/${owner}/${vmId}/${fence}/${nonce}`;
}

/** A snapshot is found by its name alone: it is whole with the one call that makes it. */
export function snapshotName(owner: string, vmId: string, name: string, takenAtMs: number): string {
  return `bioxen/${owner}/${vmId}/snapshot/${name}/${takenAtMs}`;
}

/** undefined when it is none of ours. */
export function snapshotOf(record: VmRecord, owner: string): KeptSnapshot | undefined {
  if (!record.is_a_snapshot || !record.name_label.startsWith(`bioxen/${owner}/`)) return undefined;
  const [vmId, kind, name, takenAtMs] = record.name_label.slice(`bioxen/${owner}/`.length).split("/");
  if (vmId === undefined || kind !== "snapshot" || name === undefined) return undefined;
  return { vmId, name, takenAtMs: Number(takenAtMs) };
}

/** A clone of ours that never got its keys: whoever made it is gone, unless its name is in use. */
export function isHalfMade(record: VmRecord, owner: string): boolean {
  const isClone =
    record.is_a_template && !record.is_a_snapshot && record.name_label.startsWith(`bioxen/${owner}/`);
  return isClone && tagsOf(record, owner) === undefined;
}
