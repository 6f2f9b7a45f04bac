/**
 * What wakes the planner beside the types of events: what a VM could give up, and who is over a quota.
 */
import { type QuotaEvent, quotaFold, type Vm, type VmEvent, vmFold } from "@bioxen/contracts";
import { ReadModel } from "@bioxen/kernel";
import { waitingVm } from "@bioxen/placement";
import { createdVm, envelopeOf, storedOf } from "@bioxen/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { PlanNews } from "./plan-news.ts";

const HELD = { dnaKilobases: 5, ribosomes: 100 };
const created = (priority: number, labels: Record<string, string> = {}) =>
  createdVm({ request: HELD, priority, labels }).data;

let vms: ReadModel<ReturnType<typeof vmFold.evolve>>;
let quotaStates: ReadModel<ReturnType<typeof quotaFold.evolve>>;
let news: PlanNews;
let top: number;
let seq: number;
const versions = new Map<string, number>();

function happens(kind: "vm" | "quota", id: string, body: VmEvent | QuotaEvent): boolean {
  seq += 1;
  const version = (versions.get(`${kind}/${id}`) ?? 0) + 1;
  versions.set(`${kind}/${id}`, version);
  const event = storedOf(seq, envelopeOf(kind, id, body, { version }));
  (kind === "vm" ? vms : quotaStates).apply(event);
  return news.isNews(event, top);
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
  news = new PlanNews({ vms, quotaStates, waiting, doAnyFollow: () => false });
  news.begin();
});

describe("while somebody of priority 5 waits", () => {
  beforeEach(() => {
    vm("low", "created", created(2));
    vm("low", "start-requested", { automatic: false });
    vm("low", "placed", { chassisId: "c", fence: 9, allocation: HELD });
  });

  it("a VM of lower priority that runs is news, and what leaves it as it is is not", () => {
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

  it("one that got back what it gave is news, whatever the event is called", () => {
    vm("low", "started", { fence: 9 });
    const forWhom = { by: "x", byPriority: 5, reason: "x" };
    vm("low", "preempted", { mode: "pause", fence: 9, ...forWhom, allocation: { dnaKilobases: 5 } });
    expect(vm("low", "reinstated", { fence: 9, allocation: HELD, state: "running" })).toBe(true);
  });

  it("one that was known before the planner began is news only when it can give something else", () => {
    vm("low", "started", { fence: 9 });
    news = new PlanNews({ vms, quotaStates, waiting: () => [], doAnyFollow: () => false });
    news.begin();
    expect(vm("low", "resumed")).toBe(false);
  });

  it("one of the same priority is not, and none is when nobody waits", () => {
    vm("same", "created", created(5));
    vm("same", "start-requested", { automatic: false });
    vm("same", "placed", { chassisId: "c", fence: 10, allocation: HELD });
    expect(vm("same", "started", { fence: 10 })).toBe(false);
    top = 0;
    expect(vm("low", "started", { fence: 9 })).toBe(false);
  });
});

describe("a charge", () => {
  const charge = (vmId: string, ribosomes: number) =>
    quota("team", "charged", {
      chassisId: "c",
      ledgerSeq: 1,
      charges: [{ vmId, incarnation: 1, amounts: { ribosomes } }],
    });
  const tell = (code: string) =>
    vm("waits", "deferred", {
      reasons: [{ chassisId: code === "QUOTA_EXCEEDED" ? null : "c", code, message: "x" }],
    });

  beforeEach(() => {
    vm("waits", "created", created(3, { team: "a" }));
    vm("waits", "start-requested", { automatic: false });
    quota("team", "set", { label: "team", resources: { ribosomes: 150 } });
    tell("CAPACITY_EXCEEDED");
  });

  it("is news when it puts somebody over the quota who was told something else", () => {
    expect(charge("other", 50)).toBe(false);
    expect(charge("other", 51)).toBe(true);
    tell("QUOTA_EXCEEDED");
    expect(charge("other", 60)).toBe(false);
  });

  it("is none for the VM that it is for, or for one without that label", () => {
    expect(charge("waits", 100)).toBe(false);
    quota("team", "settled", { charges: [{ vmId: "waits", chassisId: "c", amounts: null }] });
    vm("waits", "stop-requested", { destroy: false });
    vm("free", "created", created(3));
    vm("free", "start-requested", { automatic: false });
    expect(charge("other", 150)).toBe(false);
  });
});
