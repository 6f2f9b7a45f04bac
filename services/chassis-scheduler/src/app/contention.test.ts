/**
 * Preempted VMs that want their full request back.
 */
import { ledgerFold, quotaFold, type VmEvent, vmFold } from "@bioxen/contracts";
import { type EventBody, ReadModel } from "@bioxen/kernel";
import type { ChassisRoom } from "@bioxen/placement";
import { createdVm, envelopeOf, storedOf } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { contendedRooms, preemptedVms } from "./contention.ts";

const WHOLE = { ribosomes: 100 };
const LEFT = { ribosomes: 10 };

/** The VMs of `c` that can give way, when a VM holds 100 ribosomes and the ledger has these amounts for it. */
function holdersWith(amounts: typeof WHOLE) {
  const vm = {
    ...createdVm({ request: WHOLE }).data,
    exists: true,
    state: "running",
    chassisId: "c",
    fence: 7,
  };
  const vms = new Map([
    ["small", { ...vm, allocation: WHOLE, guarantee: null, migration: null, preemption: null }],
  ]);
  const ledger = {
    ...ledgerFold.initial,
    entries: { small: { vmId: "small", incarnation: 1, fence: 7, amounts } },
  };
  const room = { chassisId: "c" } as unknown as ChassisRoom;
  const cluster = {
    vms: { entries: () => vms.entries(), get: (id: string) => vms.get(id) },
    ledgers: { get: () => ledger },
  };
  return contendedRooms(cluster as never, [room], 9)[0]?.holders.map(({ vmId }) => vmId);
}

it("a VM gives way for what its ledger holds, and not between the two events of a resize", () => {
  expect(holdersWith(WHOLE)).toEqual(["small"]);
  expect(holdersWith(LEFT)).toEqual([]);
});

/** The preempted VMs when a VM of team `a` has given up 90 of its 100 ribosomes, under a quota of the team. */
function preemptedUnder(limit: number) {
  const vms = new ReadModel("vm", vmFold);
  const ledgers = new ReadModel("ledger", ledgerFold);
  const quotas = new ReadModel("quota", quotaFold);
  const versions = new Map<string, number>();
  let seq = 0;
  const happens = (
    model: { kind: string; apply: ReadModel<unknown>["apply"] },
    id: string,
    body: EventBody,
  ) => {
    seq += 1;
    const version = (versions.get(model.kind) ?? 0) + 1;
    versions.set(model.kind, version);
    model.apply(storedOf(seq, envelopeOf(model.kind, id, body, { version })));
    return seq;
  };
  const vm = (type: string, data: object) =>
    happens(vms, "small", { type: `bioxen.vm.${type}.v1`, data } as VmEvent);
  const ledger = (type: string, data: object) =>
    happens(ledgers, "c", { type: `bioxen.ledger.${type}.v1`, data });
  const created = createdVm({ request: WHOLE, guarantee: LEFT, labels: { team: "a" } });
  vm("created", created.data);
  vm("start-requested", { automatic: false });
  ledger("opened", { chassisType: "ecoli", capacity: WHOLE, offered: WHOLE, maxVms: 5 });
  const reservations = [{ vmId: "small", incarnation: 1, amounts: WHOLE }];
  const fence = ledger("reserved", { planId: "p", reservations, expiresAtMs: 9e15 });
  vm("placed", { chassisId: "c", fence, allocation: WHOLE });
  vm("started", { fence });
  const give = { mode: "starve", fence, by: "other", byPriority: 5, reason: "x", allocation: LEFT };
  vm("preempted", give);
  ledger("resized", { vmId: "small", fence, amounts: LEFT });
  const charge = { vmId: "small", incarnation: 1, chassisId: "c", amounts: LEFT };
  const quota = (type: string, data: object) =>
    happens(quotas, "team", { type: `bioxen.quota.${type}.v1`, data });
  quota("set", { label: "team", resources: { ribosomes: limit } });
  quota("enforced", { charges: [charge] });
  const known = [...quotas.values()].flatMap((quota) => (quota.exists ? [quota] : []));
  return preemptedVms({ vms, ledgers }, known);
}

it("a preempted VM wants its full request back where its quotas allow it", () => {
  expect(preemptedUnder(100)).toMatchObject([{ vmId: "small", chassisId: "c", missing: { ribosomes: 90 } }]);
});

it("a preempted VM that is blocked by its quota keeps no room from others", () => {
  expect(preemptedUnder(99)).toEqual([]);
});
