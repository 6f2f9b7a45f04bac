/**
 * Every request/reply subject of BioXen: who owns it, what it takes, what it answers. Services register their
 * endpoints from here, clients type their calls from here, docs/PROTOCOL.md is generated from here.
 */
import { z } from "zod";
import { VM_STATES } from "../fold/vm-state.ts";
import {
  amounts,
  id,
  labels,
  MAX_PAGE,
  MAX_VMS_PER_CHASSIS,
  oversubscribePermille,
  quotaLabel,
  requestedResources,
  source,
  taints,
} from "../schemas.ts";
import { chassisView, ledgerView, quotaView, vmView } from "../views.ts";
import { DRAIN_ENDPOINTS } from "./drain.ts";
import { endpoint } from "./endpoint.ts";
import { GUEST_STATE_ENDPOINTS } from "./guest-state.ts";
import { execResult, INTERNAL_ENDPOINTS, timeoutMs } from "./internal.ts";
import { MONITOR_ENDPOINTS } from "./monitor.ts";
import { createRequest, PLACEMENT_ENDPOINTS } from "./placement.ts";

const vmOnly = z.strictObject({ vmId: id });
/** The past is asked for by the sequence of an event of the log. */
const atSeq = z.int().min(1);
const chassisOnly = z.strictObject({ chassisId: id });
const vmChanged = z.object({ changed: z.boolean(), vm: vmView });
const chassisChanged = z.object({ changed: z.boolean(), chassis: chassisView });
/** One event of the log. */
const eventReference = z.object({ seq: z.int(), type: z.string(), subject: z.string() });

const listRequest = z.strictObject({
  state: z.enum(VM_STATES).optional(),
  label: z.string().min(1).max(127).optional(),
  chassisId: id.optional(),
  limit: z.int().min(1).max(MAX_PAGE).default(MAX_PAGE),
  cursor: z.string().max(63).optional(),
});

const registerRequest = z.strictObject({
  chassisId: id,
  chassisType: z.string().min(1).max(63),
  capacity: amounts.optional(),
  /** Of the type where it is absent. */
  overheadPermille: z.int().min(0).max(1000).optional(),
  /** What of its resources its ledger gives away, thousandths of what there is; default 1000, none. Its VMs share what there is by weight. */
  oversubscribePermille: oversubscribePermille.optional(),
  maxVms: z.int().min(0).max(MAX_VMS_PER_CHASSIS).optional(),
  labels: labels.default({}),
  taints: taints.default([]),
  agentId: id,
});

export const ENDPOINTS = {
  vmCreate: endpoint("bioxen.cmd.vm.create", "lifecycle", "Create a VM.", createRequest, vmChanged),
  vmStart: endpoint("bioxen.cmd.vm.start", "lifecycle", "Ask for a place and run.", vmOnly, vmChanged),
  vmPause: endpoint(
    "bioxen.cmd.vm.pause",
    "lifecycle",
    "Hold the guest; the place is kept.",
    vmOnly,
    vmChanged,
  ),
  vmResume: endpoint("bioxen.cmd.vm.resume", "lifecycle", "Let a paused guest go on.", vmOnly, vmChanged),
  vmStop: endpoint(
    "bioxen.cmd.vm.stop",
    "lifecycle",
    "Stop the guest and give the place back.",
    vmOnly,
    vmChanged,
  ),
  vmDestroy: endpoint("bioxen.cmd.vm.destroy", "lifecycle", "Stop and forget the VM.", vmOnly, vmChanged),
  vmResize: endpoint(
    "bioxen.cmd.vm.resize",
    "lifecycle",
    "Change the request or, while it holds a place, the allocation: all or nothing.",
    z.strictObject({
      vmId: id,
      resources: requestedResources.refine(
        (r) => Object.keys(r).length > 0,
        "must name at least one resource",
      ),
    }),
    vmChanged,
  ),
  vmMigrate: endpoint(
    "bioxen.cmd.vm.migrate",
    "lifecycle",
    "Run elsewhere: on `chassisId`, or wherever there is room. It runs on until there is a place; then its guest is handed over with its state, and goes on there. Given up after a minute without a place.",
    z.strictObject({ vmId: id, chassisId: id.optional() }),
    vmChanged,
  ),
  vmCancelMigration: endpoint(
    "bioxen.cmd.vm.cancel-migration",
    "lifecycle",
    "Stay where it is, unless it was handed over already.",
    vmOnly,
    vmChanged,
  ),
  vmExec: endpoint(
    "bioxen.cmd.vm.exec",
    "lifecycle",
    "Run a program in the guest. In a cell it is Lua, and `result` its value. In a machine of a pool it is POSIX shell, by SSH where its agent is configured for that (else UNSUPPORTED): `result` is `{exitCode: 0, stderr}`, another exit status is GUEST_ERROR with `details` `{exitCode, stdout, stderr}`, `instructions` is 0. UNAVAILABLE that is not retryable: `details.ran` says `no`, or `unknown` when the machine was lost while it ran.",
    z.strictObject({ vmId: id, source, timeoutMs: timeoutMs.default(5_000) }),
    execResult,
  ),
  vmGet: endpoint(
    "bioxen.qry.vm.get",
    "lifecycle",
    "One VM, now or after the event with sequence `atSeq`. With `atSeq` also the ledger and the chassis of its place as they were after that event, each null where it had none; a sequence the log does not have is a BAD_REQUEST that names the last.",
    z.strictObject({ vmId: id, atSeq: atSeq.optional() }),
    z.object({
      vm: vmView,
      ledger: ledgerView.nullable().optional(),
      chassis: chassisView.nullable().optional(),
    }),
  ),
  vmList: endpoint(
    "bioxen.qry.vm.list",
    "lifecycle",
    "VMs in order of id; `label` is `name` or `name=value`. Destroyed ones only with state `destroyed`.",
    listRequest,
    z.object({ vms: z.array(vmView), cursor: z.string().nullable() }),
  ),
  vmHistory: endpoint(
    "bioxen.qry.vm.history",
    "lifecycle",
    "Every event of one VM with its sequence, and the event that caused it; null where a command did, or what the log does not tell.",
    vmOnly,
    z.object({
      events: z.array(z.looseObject({ seq: z.int(), type: z.string(), causedBy: eventReference.nullable() })),
    }),
  ),
  chassisRegister: endpoint(
    "bioxen.cmd.chassis.register",
    "chassis-scheduler",
    "Offer a chassis; the agent named runs its guests.",
    registerRequest,
    chassisChanged,
  ),
  chassisCordon: endpoint(
    "bioxen.cmd.chassis.cordon",
    "chassis-scheduler",
    "Take no more VMs.",
    chassisOnly,
    chassisChanged,
  ),
  chassisUncordon: endpoint(
    "bioxen.cmd.chassis.uncordon",
    "chassis-scheduler",
    "Take VMs again.",
    chassisOnly,
    chassisChanged,
  ),
  chassisRemove: endpoint(
    "bioxen.cmd.chassis.remove",
    "chassis-scheduler",
    "Withdraw a chassis that holds no VM.",
    chassisOnly,
    z.object({ changed: z.boolean(), chassis: chassisView.nullable() }),
  ),
  chassisGet: endpoint(
    "bioxen.qry.chassis.get",
    "chassis-scheduler",
    "One chassis, now or after the event with sequence `atSeq`, of which nobody knows who was heard of: `state` is `unknown` then.",
    z.strictObject({ chassisId: id, atSeq: atSeq.optional() }),
    z.object({ chassis: chassisView }),
  ),
  chassisList: endpoint(
    "bioxen.qry.chassis.list",
    "chassis-scheduler",
    "All chassis in order of id.",
    z.strictObject({}),
    z.object({ chassis: z.array(chassisView) }),
  ),
  ...DRAIN_ENDPOINTS,
  ...PLACEMENT_ENDPOINTS,
  ledgerGet: endpoint(
    "bioxen.qry.ledger.get",
    "allocator",
    "The account of one chassis, now or after the event with sequence `atSeq`.",
    z.strictObject({ chassisId: id, atSeq: atSeq.optional() }),
    z.object({ ledger: ledgerView }),
  ),
  ledgerList: endpoint(
    "bioxen.qry.ledger.list",
    "allocator",
    "All ledgers in order of chassis id.",
    z.strictObject({}),
    z.object({ ledgers: z.array(ledgerView) }),
  ),
  quotaSet: endpoint(
    "bioxen.cmd.quota.set",
    "allocator",
    "VMs that carry the label (`name` with any value, or `name=value`) never hold more together, over all chassis. A resource that is not named has no limit; a limit below what is held takes nothing away. Answered once it holds, or with `enforced: false` when that takes long. Its events are on `bioxen.evt.quota.<label>`, where what is none of `a-z 0-9`, nor a `-` between two of them, is `--`, its UTF-8 bytes in hexadecimal, and `-`.",
    z.strictObject({ label: quotaLabel, resources: amounts }),
    z.object({ changed: z.boolean(), quota: quotaView }),
  ),
  quotaGet: endpoint(
    "bioxen.qry.quota.get",
    "allocator",
    "The quota of one label; null when it was never set.",
    z.strictObject({ label: quotaLabel }),
    z.object({ quota: quotaView.nullable() }),
  ),
  quotaList: endpoint(
    "bioxen.qry.quota.list",
    "allocator",
    "All quotas in order of label.",
    z.strictObject({}),
    z.object({ quotas: z.array(quotaView) }),
  ),
  ...MONITOR_ENDPOINTS,
  ...GUEST_STATE_ENDPOINTS,
  ...INTERNAL_ENDPOINTS,
} as const;

export type EndpointName = keyof typeof ENDPOINTS;
export type RequestOf<N extends EndpointName> = z.input<(typeof ENDPOINTS)[N]["request"]>;
export type ParsedRequestOf<N extends EndpointName> = z.output<(typeof ENDPOINTS)[N]["request"]>;
export type ResultOf<N extends EndpointName> = z.output<(typeof ENDPOINTS)[N]["result"]>;
