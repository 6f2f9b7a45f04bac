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
  cluster: `${PREFIX}cluster`,
  agent: `${PREFIX}owner`,
  vmId: `${PREFIX}vm-id`,
  incarnation: `${PREFIX}incarnation`,
  fence: `${PREFIX}fence`,
  reservation: `${PREFIX}reservation`,
  uuid: `${PREFIX}uuid`,
  grace: `${PREFIX}shutdown-grace-ms`,
  restores: `${PREFIX}restores`,
  cell: `${PREFIX}cell`,
} as const;
/** The key of a machine whose start waits for its cell, and its value. */
export const CELL_KEY = KEYS.cell;
const CELL_DUE = "due";
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
  /** Id of the event that made the reservation with this fence; it proves that this very log made it. */
  readonly reservation: string;
  /** Time that a clean shutdown may take before the machine is switched off, ms; 0 switches it off at once. */
  readonly graceMs: number;
  /** How often the VM was restored from a snapshot. */
  readonly restores: number;
  /**
   * Whether the start of the machine is complete only once its cell lives. A driver that finds such a machine running
   * completes the start: the driver before it may have ended before the cell got its program.
   */
  readonly cellDue: boolean;
}

/** An agent of a BioXen. */
export interface Agent {
  readonly clusterId: string;
  readonly agentId: string;
}

/**
 * What the keys of a machine say about its origin. Machines of releases before clusters had ids have neither a cluster nor
 * a reservation.
 */
export interface Origin extends Omit<Tags, "reservation"> {
  readonly clusterId: string | undefined;
  readonly agentId: string;
  readonly reservation: string | undefined;
}

/**
 * Returns the VM's `other_config` with the keys for `tags`, and without the mark that the VM has run. Other entries are
 * kept.
 */
export function tagged(record: VmRecord, agent: Agent, tags: Tags): Record<string, string> {
  const { [RAN_KEY]: _, [KEYS.cell]: __, ...others } = record.other_config;
  return {
    ...others,
    [KEYS.cluster]: agent.clusterId,
    [KEYS.agent]: agent.agentId,
    [KEYS.vmId]: tags.vmId,
    [KEYS.incarnation]: String(tags.incarnation),
    [KEYS.fence]: String(tags.fence),
    [KEYS.reservation]: tags.reservation,
    [KEYS.uuid]: record.uuid,
    [KEYS.grace]: String(tags.graceMs),
    [KEYS.restores]: String(tags.restores),
    ...(tags.cellDue ? { [KEYS.cell]: CELL_DUE } : {}),
  };
}

/** Returns the origin in the VM's keys; undefined when no BioXen made the VM, or when it is a copy or a snapshot. */
export function originOf(record: VmRecord): Origin | undefined {
  const config = record.other_config;
  const [agentId, vmId] = [config[KEYS.agent], config[KEYS.vmId]];
  if (record.is_a_snapshot || config[KEYS.uuid] !== record.uuid) return undefined;
  const [incarnation, fence] = [Number(config[KEYS.incarnation]), Number(config[KEYS.fence])];
  if (agentId === undefined || vmId === undefined || !(incarnation > 0) || !(fence > 0)) return undefined;
  const [graceMs, counted] = [Number(config[KEYS.grace] ?? 0), Number(config[KEYS.restores] ?? 0)];
  // Another user's revert to an older snapshot also takes back the count in `other_config`.
  const restores = Math.max(counted, latestRestore("restored", record));
  const clusterId = config[KEYS.cluster];
  const reservation = clusterId === undefined ? undefined : config[KEYS.reservation];
  const cellDue = config[KEYS.cell] === CELL_DUE;
  return { clusterId, agentId, vmId, incarnation, fence, reservation, graceMs, restores, cellDue };
}

/** Returns the VM id in the keys of a VM or snapshot that BioXen made, or in its name; "" without one. */
export function vmIdIn({ other_config, name_label }: VmRecord): string {
  return other_config[KEYS.vmId] ?? partsOf(name_label)?.vmId ?? "";
}

/** Returns whether the VM has the mark that it has run under this fence. A stop by BioXen removes the mark. */
export function hasRun(record: VmRecord, fence: number): boolean {
  return record.other_config[RAN_KEY] === String(fence);
}

/** Returns the name that a clone has until its `other_config` keys are set; `nonce` makes the name unique. */
export function cloneName(agent: Agent, vmId: string, fence: number, nonce: string): string {
  return `bioxen/${agent.clusterId}/${agent.agentId}/${vmId}/${fence}/${nonce}`;
}

/**
 * Returns the name of a snapshot. A snapshot needs no `other_config` keys: it has this name from its creation, and the
 * name identifies the snapshot.
 */
export function snapshotName(agent: Agent, vmId: string, name: string, takenAtMs: number): string {
  return `bioxen/${agent.clusterId}/${agent.agentId}/${vmId}/snapshot/${name}/${takenAtMs}`;
}

interface NameParts {
  /** Undefined in a name of a release before clusters had ids. */
  readonly clusterId: string | undefined;
  readonly agentId: string;
  readonly vmId: string;
  readonly rest: readonly string[];
}

/** Parses the name of a clone or snapshot that a BioXen made; undefined for any other name. */
function partsOf(name: string): NameParts | undefined {
  const [prefix, ...parts] = name.split("/");
  if (prefix !== "bioxen" || parts.length < MIN_NAME_PARTS) return undefined;
  // A name of an earlier release has no cluster: `agent/vm/snapshot/name/time` or `agent/vm/fence/nonce`.
  const isSnapshot = parts.at(-3) === "snapshot";
  const isOld = parts.length === (isSnapshot ? OLD_SNAPSHOT_PARTS : OLD_CLONE_PARTS);
  const [agentId = "", vmId = "", ...rest] = isOld ? parts : parts.slice(1);
  const clusterId = isOld ? undefined : parts[0];
  return { clusterId, agentId, vmId, rest };
}

const MIN_NAME_PARTS = 4;
const OLD_CLONE_PARTS = 4;
const OLD_SNAPSHOT_PARTS = 5;

/** Returns whether a name was given by `agent`; names of earlier releases have no cluster and count as the agent's. */
function isBy(parts: NameParts, { clusterId, agentId }: Agent): boolean {
  return parts.agentId === agentId && (parts.clusterId ?? clusterId) === clusterId;
}

/** Returns whether the name of a clone or snapshot names this agent and its cluster. */
export function isNamedBy({ name_label }: VmRecord, { clusterId, agentId }: Agent): boolean {
  return name_label.startsWith(`bioxen/${clusterId}/${agentId}/`);
}

/**
 * Parses the record's `name_label`, which contains the VM id, the snapshot's own name and its time. Returns undefined
 * unless the record is a snapshot that `agent` took.
 */
export function snapshotOf(record: VmRecord, agent: Agent): KeptSnapshot | undefined {
  const parts = record.is_a_snapshot ? partsOf(record.name_label) : undefined;
  if (parts === undefined || !isBy(parts, agent)) return undefined;
  const [kind, name, takenAtMs] = parts.rest;
  if (kind !== "snapshot" || name === undefined) return undefined;
  return { vmId: parts.vmId, name, takenAtMs: Number(takenAtMs) };
}

/**
 * Returns the entry of a disk's `other_config` that marks the disk for removal. The mark contains the disk's own uuid,
 * because a copy of the disk inherits the entry.
 */
export function removalMark(agent: Agent, vmId: string, diskUuid: string): readonly [string, string] {
  return [REMOVE_KEY, `${agent.clusterId}/${agent.agentId}/${vmId}/${diskUuid}`];
}

/** Returns the VM id in a disk's mark for removal; undefined unless `agent` has marked this very disk. */
export function removedFor(disk: VdiRecord, { clusterId, agentId }: Agent): string | undefined {
  const [cluster, marker, vmId, uuid] = disk.other_config[REMOVE_KEY]?.split("/") ?? [];
  return cluster === clusterId && marker === agentId && uuid === disk.uuid ? vmId : undefined;
}

/**
 * Returns the VM id and the fence in the name of a clone by `agent` that has no `other_config` keys: the clone is in
 * progress, or a crash left it. Returns undefined for any other record.
 */
export function unfinishedClone(
  record: VmRecord,
  agent: Agent,
): { readonly vmId: string; readonly fence: number } | undefined {
  if (!record.is_a_template || record.is_a_snapshot || originOf(record) !== undefined) return undefined;
  const parts = partsOf(record.name_label);
  if (parts?.clusterId === undefined || !isBy(parts, agent)) return undefined;
  return { vmId: parts.vmId, fence: Number(parts.rest[0]) };
}
