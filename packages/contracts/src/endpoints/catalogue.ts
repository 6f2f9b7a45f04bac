/**
 * The catalogue of all request/reply endpoints: subject, owner, request and result. Services register their endpoints
 * from it, clients take the types of their calls from it, and docs/PROTOCOL.md is generated from it.
 */
import * as z from "zod";
import { VM_STATES } from "../fold/vm-state.ts";
import { hostRooms } from "../host-fit.ts";
import { announcedModels } from "../models.ts";
import { pageRequest, pageResult } from "../pages.ts";
import { DEFAULT_EXEC_TIMEOUT_MS } from "../request-limits.ts";
import {
  amounts,
  environment,
  expectedVersion,
  id,
  labels,
  MAX_PAGE,
  MAX_VMS_PER_CHASSIS,
  oversubscribePermille,
  quotaLabel,
  requestedResources,
  source,
  stopDeadlineMs,
  taints,
} from "../schemas.ts";
import { chassisView, ledgerView, quotaView, vmView } from "../views.ts";
import { COURSE_ENDPOINTS } from "./course.ts";
import { DRAIN_ENDPOINTS } from "./drain.ts";
import { endpoint, paged } from "./endpoint.ts";
import { EXPERIMENT_ENDPOINTS } from "./experiment.ts";
import { GUEST_STATE_ENDPOINTS } from "./guest-state.ts";
import { execResult, INTERNAL_ENDPOINTS, simMinute, timeoutMs } from "./internal.ts";
import { JOB_ENDPOINTS } from "./jobs.ts";
import { LEFT_OBJECT_ENDPOINTS } from "./left-objects.ts";
import { LOG_ENDPOINTS } from "./log.ts";
import { MONITOR_ENDPOINTS } from "./monitor.ts";
import { ORPHAN_ENDPOINTS } from "./orphans.ts";
import { createRequest, PLACEMENT_ENDPOINTS } from "./placement.ts";

const vmOnly = z.strictObject({ vmId: id, expectedVersion });
/** Selects a past state: the state after the event with this sequence. */
const atSeq = z.int().min(1);
const stopRequest = z.strictObject({
  vmId: id,
  deadlineMs: stopDeadlineMs.optional(),
  force: z.boolean().optional(),
  expectedVersion,
});
const chassisOnly = z.strictObject({ chassisId: id, expectedVersion });
const vmChanged = z.object({ changed: z.boolean(), vm: vmView });
const vmChangedAt = z.object({ ...vmChanged.shape, simMinute: z.int().min(0).nullable() });
const chassisChanged = z.object({ changed: z.boolean(), chassis: chassisView });
/** A reference to one event of the log. */
const eventReference = z.object({ seq: z.int(), type: z.string(), subject: z.string() });

const listRequest = z.strictObject({
  state: z.enum(VM_STATES).optional(),
  label: z.string().min(1).max(127).optional(),
  chassisId: id.optional(),
  /** Only the VMs of this owner. */
  owner: id.optional(),
  ...pageRequest,
  limit: z.int().min(1).max(MAX_PAGE).default(MAX_PAGE),
});

/** A quota is named by the label of the VMs that it limits, or by their owner. */
const quotaName = { label: quotaLabel.optional(), owner: id.optional() };
const ONE_QUOTA = "must name a label or an owner, not both";
function namesOneQuota({
  label,
  owner,
}: {
  label?: string | undefined;
  owner?: string | undefined;
}): boolean {
  return (label === undefined) !== (owner === undefined);
}

const registerRequest = z.strictObject({
  chassisId: id,
  chassisType: z.string().min(1).max(63),
  capacity: amounts.optional(),
  /** Hypervisor overhead, in permille of every cell resource; absent for the default of the chassis type. */
  overheadPermille: z.int().min(0).max(1000).optional(),
  /**
   * Offered share per resource, in permille of the real amount; default 1000. On an oversubscribed chassis the VMs
   * share the real amount by weight.
   */
  oversubscribePermille: oversubscribePermille.optional(),
  maxVms: z.int().min(0).max(MAX_VMS_PER_CHASSIS).optional(),
  labels: labels.default({}),
  taints: taints.default([]),
  /** The hosts of a pool, each with what it has for VMs when it is empty. */
  hosts: hostRooms.optional(),
  /**
   * The cell models of the agent beside the built-in one. Absent: those that the agent announced before; empty: none.
   */
  models: announcedModels.optional(),
  agentId: id,
  expectedVersion,
});

export const ENDPOINTS = {
  vmCreate: endpoint("bioxen.cmd.vm.create", "lifecycle", "Create a VM.", createRequest, vmChanged),
  vmStart: endpoint(
    "bioxen.cmd.vm.start",
    "lifecycle",
    "Request a place and run the VM there.",
    vmOnly,
    vmChanged,
  ),
  vmPause: endpoint(
    "bioxen.cmd.vm.pause",
    "lifecycle",
    "Pause the guest. The VM keeps its place.",
    vmOnly,
    vmChanged,
  ),
  vmResume: endpoint("bioxen.cmd.vm.resume", "lifecycle", "Resume a paused guest.", vmOnly, vmChanged),
  vmStop: endpoint(
    "bioxen.cmd.vm.stop",
    "lifecycle",
    "Stop the guest and release the place. A machine is shut down, and a cell may complete its running programs, within `deadlineMs`; then the guest is ended. Without `deadlineMs` a machine has the time of its `config.shutdownGraceMs`, and a cell none. With `force` the guest has no time unless `deadlineMs` gives it some. On a VM that is stopping, a nearer deadline or `force` shortens the stop under way.",
    stopRequest,
    vmChanged,
  ),
  vmDestroy: endpoint("bioxen.cmd.vm.destroy", "lifecycle", "Stop the VM and destroy it.", vmOnly, vmChanged),
  vmResize: endpoint(
    "bioxen.cmd.vm.resize",
    "lifecycle",
    "Change the request or, while the VM has a place, the allocation: all or nothing. A running or paused cell gets its new amounts at minute `atMinute` of its simulated time, without it at the present minute. A minute that the cell has passed is a BAD_REQUEST, and so is a minute for a VM without a guest. For a machine a minute is UNSUPPORTED. Until the minute the VM holds the larger of the old and the new amount of each resource, and what is too much is released after the next checkpoint. `simMinute` is null for a VM without a guest, for a machine, and where nothing changed.",
    z.strictObject({
      vmId: id,
      resources: requestedResources.refine(
        (r) => Object.keys(r).length > 0,
        "must name at least one resource",
      ),
      atMinute: simMinute.optional(),
      expectedVersion,
    }),
    vmChangedAt,
  ),
  vmSetEnvironment: endpoint(
    "bioxen.cmd.vm.set-environment",
    "lifecycle",
    "Change the medium of a running or paused cell: the given fields at minute `atMinute` of its simulated time, without it at the present minute. Other fields stay. A minute that the cell has passed is a BAD_REQUEST. For a machine the command is UNSUPPORTED.",
    z.strictObject({
      vmId: id,
      environment: environment.refine((e) => Object.keys(e).length > 0, "must name at least one field"),
      atMinute: simMinute.optional(),
      expectedVersion,
    }),
    vmChangedAt,
  ),
  vmMigrate: endpoint(
    "bioxen.cmd.vm.migrate",
    "lifecycle",
    "Move the VM to `chassisId`, or to any chassis with room. It keeps running until there is a place; then its guest is handed over with its state and continues there. The move is cancelled after a minute without a place.",
    z.strictObject({ vmId: id, chassisId: id.optional(), expectedVersion }),
    vmChanged,
  ),
  vmCancelMigration: endpoint(
    "bioxen.cmd.vm.cancel-migration",
    "lifecycle",
    "Cancel a move, unless the guest was already handed over.",
    vmOnly,
    vmChanged,
  ),
  vmTransfer: endpoint(
    "bioxen.cmd.vm.transfer",
    "lifecycle",
    "Give the VM, in any state, to another owner. Its guest goes on, and its id stays. Under the quota of the new owner it counts from its next place or resize on.",
    z.strictObject({ vmId: id, owner: id, expectedVersion }),
    vmChanged,
  ),
  vmExec: endpoint(
    "bioxen.cmd.vm.exec",
    "lifecycle",
    "Run a program in the guest. In a cell the program is Lua, and `result` is its value. In a machine of a pool without a cell, and in every machine with `shell: true`, it is a POSIX shell script. Programs in machines run through SSH, where the agent is configured for that (otherwise UNSUPPORTED). A `basic` VM has no shell: `shell: true` is UNSUPPORTED. For a shell script `result` is `{exitCode: 0, stderr}`, any other exit status is GUEST_ERROR with `details` `{exitCode, stdout, stderr}`, and `instructions` is 0. With an UNAVAILABLE that is not retryable, `details.ran` is `no`, or `unknown` when the machine was lost while the program ran. A program that ran is an event `bioxen.vm.executed.v1`, with its minute of simulated time (`simMinute`, null where it is unknown), its source and its outcome, also if it failed. With `readOnly` it runs on a copy of the cell, with the same `state`, and with what the VM's program defines; the cell stays as it is, and there is no event. For a machine `readOnly` is UNSUPPORTED.",
    z.strictObject({
      vmId: id,
      source,
      timeoutMs: timeoutMs.default(DEFAULT_EXEC_TIMEOUT_MS),
      shell: z.boolean().default(false),
      readOnly: z.boolean().default(false),
    }),
    z.object({ ...execResult.shape, simMinute: z.int().min(0).nullable() }),
  ),
  vmGet: paged(
    endpoint(
      "bioxen.qry.vm.get",
      "lifecycle",
      "One VM, now or after the event with sequence `atSeq`. With `atSeq` the reply also has the ledger and the chassis of its place after that event, each null without one. `cursor` is there only when the entries of the ledger go on at a next page. A sequence beyond the log is a BAD_REQUEST that names the last sequence.",
      z.strictObject({ vmId: id, atSeq: atSeq.optional(), ...pageRequest }),
      z.object({
        vm: vmView,
        ledger: ledgerView.nullable().optional(),
        chassis: chassisView.nullable().optional(),
        cursor: z.string().optional(),
      }),
    ),
    { ledger: { entries: "items" } },
  ),
  vmList: paged(
    endpoint(
      "bioxen.qry.vm.list",
      "lifecycle",
      "VMs in order of id. `label` is `name` or `name=value`. Destroyed VMs are listed only with state `destroyed`.",
      listRequest,
      z.object({ vms: z.array(vmView), ...pageResult }),
    ),
    { vms: "items" },
  ),
  vmHistory: paged(
    endpoint(
      "bioxen.qry.vm.history",
      "lifecycle",
      "Every event of one VM with its sequence, its principal and the event that caused it. `causedBy` is null when a command caused the event, or when the cause is not in the log.",
      z.strictObject({ vmId: id, ...pageRequest }),
      z.object({
        events: z.array(
          z.looseObject({
            seq: z.int(),
            type: z.string(),
            principal: z.string().optional(),
            onbehalfof: z.string().optional(),
            via: z.string().optional(),
            causedBy: eventReference.nullable(),
          }),
        ),
        ...pageResult,
      }),
    ),
    { events: "items" },
  ),
  ...COURSE_ENDPOINTS,
  chassisRegister: endpoint(
    "bioxen.cmd.chassis.register",
    "chassis-scheduler",
    "Register a chassis, or change its registration. The named agent runs its guests.",
    registerRequest,
    chassisChanged,
  ),
  chassisCordon: endpoint(
    "bioxen.cmd.chassis.cordon",
    "chassis-scheduler",
    "Close the chassis to new VMs.",
    chassisOnly,
    chassisChanged,
  ),
  chassisUncordon: endpoint(
    "bioxen.cmd.chassis.uncordon",
    "chassis-scheduler",
    "Open the chassis to new VMs again.",
    chassisOnly,
    chassisChanged,
  ),
  chassisRemove: endpoint(
    "bioxen.cmd.chassis.remove",
    "chassis-scheduler",
    "Remove a chassis that holds no VM.",
    chassisOnly,
    z.object({ changed: z.boolean(), chassis: chassisView.nullable() }),
  ),
  chassisGet: endpoint(
    "bioxen.qry.chassis.get",
    "chassis-scheduler",
    "One chassis, now or after the event with sequence `atSeq`. Heartbeats are not recorded, so with `atSeq` its `state` is `unknown`, or `lost`.",
    z.strictObject({ chassisId: id, atSeq: atSeq.optional() }),
    z.object({ chassis: chassisView }),
  ),
  chassisList: paged(
    endpoint(
      "bioxen.qry.chassis.list",
      "chassis-scheduler",
      "All chassis in order of id. Heartbeats are not recorded, so each page shows the liveness of its own time.",
      z.strictObject(pageRequest),
      z.object({ chassis: z.array(chassisView), ...pageResult }),
    ),
    { chassis: "items" },
  ),
  ...ORPHAN_ENDPOINTS,
  ...LEFT_OBJECT_ENDPOINTS,
  ...DRAIN_ENDPOINTS,
  ...PLACEMENT_ENDPOINTS,
  ledgerGet: paged(
    endpoint(
      "bioxen.qry.ledger.get",
      "allocator",
      "The ledger of one chassis, now or after the event with sequence `atSeq`. Each page has the whole account and a part of its entries.",
      z.strictObject({ chassisId: id, atSeq: atSeq.optional(), ...pageRequest }),
      z.object({ ledger: ledgerView, ...pageResult }),
    ),
    { ledger: { entries: "items" } },
  ),
  ledgerList: paged(
    endpoint(
      "bioxen.qry.ledger.list",
      "allocator",
      "All ledgers in order of chassis id. A ledger whose entries do not fit goes on at the next page: the page begins with the same ledger and its further entries.",
      z.strictObject(pageRequest),
      z.object({ ledgers: z.array(ledgerView), ...pageResult }),
    ),
    { ledgers: { key: "chassisId", each: { entries: "items" } } },
  ),
  quotaSet: paged(
    endpoint(
      "bioxen.cmd.quota.set",
      "allocator",
      "Limit what all VMs with the label (`name` for any value, or `name=value`), or all VMs of the owner, hold together over all chassis. A request names one of the two; the quota of an owner has the label `@<owner>` in events. A resource that is not named is unlimited; a limit below what is held takes nothing away. The reply comes once the limits are in force, or with `enforced: false` when that takes long. The events are on `bioxen.evt.quota.<label>`. In that token, characters other than `a-z 0-9`, and other than a `-` between two of these, are encoded as `--`, their UTF-8 bytes in hexadecimal, and `-`. `cursor` continues the holders with `bioxen.qry.quota.get`.",
      z.strictObject({ ...quotaName, resources: amounts, expectedVersion }).refine(namesOneQuota, ONE_QUOTA),
      z.object({ changed: z.boolean(), quota: quotaView, ...pageResult }),
    ),
    { quota: { holders: "items" } },
  ),
  quotaGet: paged(
    endpoint(
      "bioxen.qry.quota.get",
      "allocator",
      "The quota of one label or owner; null when it was never set.",
      z.strictObject({ ...quotaName, ...pageRequest }).refine(namesOneQuota, ONE_QUOTA),
      z.object({ quota: quotaView.nullable(), ...pageResult }),
    ),
    { quota: { holders: "items" } },
  ),
  quotaList: paged(
    endpoint(
      "bioxen.qry.quota.list",
      "allocator",
      "All quotas in order of label.",
      z.strictObject(pageRequest),
      z.object({ quotas: z.array(quotaView), ...pageResult }),
    ),
    { quotas: { key: "label", each: { holders: "items" } } },
  ),
  ...EXPERIMENT_ENDPOINTS,
  ...MONITOR_ENDPOINTS,
  ...LOG_ENDPOINTS,
  ...JOB_ENDPOINTS,
  ...GUEST_STATE_ENDPOINTS,
  ...INTERNAL_ENDPOINTS,
} as const;

export type EndpointName = keyof typeof ENDPOINTS;
export type RequestOf<N extends EndpointName> = z.input<(typeof ENDPOINTS)[N]["request"]>;
export type ParsedRequestOf<N extends EndpointName> = z.output<(typeof ENDPOINTS)[N]["request"]>;
export type ResultOf<N extends EndpointName> = z.output<(typeof ENDPOINTS)[N]["result"]>;
