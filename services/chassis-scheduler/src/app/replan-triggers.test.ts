/**
 * Triggers that depend on more than the type of an event: what preemption can take from a VM, and which VMs are over a
 * quota.
 */
import { type QuotaEvent, quotaFold, type Vm, type VmEvent, vmFold } from "@bioxen/contracts";
import { ReadModel } from "@bioxen/kernel";
import { waitingVm } from "@bioxen/placement";
import { createdVm, envelopeOf, storedOf } from "@bioxen/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { ReplanTriggers } from "./replan-triggers.ts";

const HELD = { dnaKilobases: 5, ribosomes: 100 };
const created = (priority: number, labels: Record<string, string> = {}) =>
  createdVm({ request: HELD, priority, labels }).data;

let vms: ReadModel<ReturnType<typeof vmFold.evolve>>;
let quotaStates: ReadModel<ReturnType<typeof quotaFold.evolve>>;
let triggers: ReplanTriggers;
let top: number;
let seq: number;
const versions = new Map<string, number>();

function happens(kind: "vm" | "quota", id: string, body: VmEvent | QuotaEvent): boolean {
  seq += 1;
  const version = (versions.get(`${kind}/${id}`) ?? 0) + 1;
  versions.set(`${kind}/${id}`, version);
  const event = storedOf(seq, envelopeOf(kind, id, body, { version }));
  (kind === "vm" ? vms : quotaStates).apply(event);
  return triggers.isTrigger(event, top);
}
const vm = (id: string, type: string, data: object = {}, version = 1) =>
  happens("vm", id, { type: `bioxen.vm.${type}.v${version}`, data } as VmEvent);
const quota = (id: string, type: string, data: object) =>
  happens("quota", id, { type: `bioxen.quota.${type}.v1`, data } as QuotaEvent);

beforeEach(() => {
  versions.clear();
  [seq, top] = [0, 5];
  vms = new ReadModel("vm", vmFold);
  quotaStates = new ReadModel("quota", quotaFold);
  const waiting = () =>
    [...vms.entries()].flatMap(([id, one]) =>
      one.exists && one.state === "pending" ? [waitingVm(id, one as Vm)] : [],
    );
  triggers = new ReplanTriggers({ vms, quotaStates, waiting, hasAffinityWaiters: () => false });
  triggers.begin();
});

describe("while a VM of priority 5 waits", () => {
  beforeEach(() => {
    vm("low", "created", created(2));
    vm("low", "start-requested", { automatic: false });
    vm("low", "placed", { chassisId: "c", fence: 9, allocation: HELD });
  });

  it("a lower-priority VM that starts running is a trigger; events that leave its allocation unchanged are not", () => {
    expect(vm("low", "started", { fence: 9 })).toBe(true);
    for (const [type, data] of [
      ["paused", {}],
      ["resumed", {}],
      ["guest-restarted", { fence: 9, reason: "x" }],
      ["checkpointed", { fence: 9, checkpointId: "k", simMinutes: 1, bytes: 1, sha256: "x" }],
    ] as const) {
      expect(vm("low", type, data), type).toBe(false);
    }
  });

  it("a lower-priority VM that gets its full allocation back is a trigger", () => {
    vm("low", "started", { fence: 9 });
    const forWhom = { by: "x", byPriority: 5, reason: "x" };
    vm("low", "preempted", { mode: "pause", fence: 9, ...forWhom, allocation: { dnaKilobases: 5 } });
    expect(vm("low", "reinstated", { fence: 9, allocation: HELD, state: "running" })).toBe(true);
  });

  it("a VM known before the planner began is a trigger only once its allocation changes", () => {
    vm("low", "started", { fence: 9 });
    triggers = new ReplanTriggers({ vms, quotaStates, waiting: () => [], hasAffinityWaiters: () => false });
    triggers.begin();
    expect(vm("low", "resumed")).toBe(false);
  });

  it("a VM of the same priority is no trigger, and no VM is a trigger while none waits", () => {
    vm("same", "created", created(5));
    vm("same", "start-requested", { automatic: false });
    vm("same", "placed", { chassisId: "c", fence: 10, allocation: HELD });
    expect(vm("same", "started", { fence: 10 })).toBe(false);
    top = 0;
    expect(vm("low", "started", { fence: 9 })).toBe(false);
  });
});

describe("a quota charge", () => {
  const charge = (vmId: string, ribosomes: number) =>
    quota("team", "charged", {
      chassisId: "c",
      ledgerSeq: 1,
      charges: [{ vmId, incarnation: 1, amounts: { ribosomes } }],
    });
  const defer = (code: string) =>
    vm("waits", "deferred", {
      reasons: [{ chassisId: code === "QUOTA_EXCEEDED" ? null : "c", code, message: "x" }],
    });

  beforeEach(() => {
    vm("waits", "created", created(3, { team: "a" }));
    vm("waits", "start-requested", { automatic: false });
    quota("team", "set", { label: "team", resources: { ribosomes: 150 } });
    defer("CAPACITY_EXCEEDED");
  });

  it("is a trigger when a VM that was deferred for another reason is over the quota now", () => {
    expect(charge("other", 50)).toBe(false);
    expect(charge("other", 51)).toBe(true);
    defer("QUOTA_EXCEEDED");
    expect(charge("other", 60)).toBe(false);
  });

  it("is no trigger for the charged VM itself, nor for a VM without the label", () => {
    expect(charge("waits", 100)).toBe(false);
    quota("team", "settled", { charges: [{ vmId: "waits", chassisId: "c", amounts: null }] });
    vm("waits", "stop-requested", { destroy: false });
    vm("free", "created", created(3));
    vm("free", "start-requested", { automatic: false });
    expect(charge("other", 150)).toBe(false);
  });
});
