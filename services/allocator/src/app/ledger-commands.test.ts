/**
 * The commands of one ledger at one instance: many at once, and with quotas.
 */
import { ENDPOINTS, quotaIdOf, type ServedEndpoint } from "@bioxen/contracts";
import { EventFeed, type ServicePorts } from "@bioxen/kernel";
import {
  appendNext,
  createdVm,
  FakeClock,
  idsInOrder,
  MemoryEventLog,
  registeredChassis,
  settle,
  vmEvent,
} from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { createAllocator } from "./service.ts";

const NEVER_MS = 9e15;

/** A log whose appends to subjects with the prefix `gated` wait for `gate`, and are acknowledged after `stored`. */
class GatedLog extends MemoryEventLog {
  gate: Promise<unknown> = Promise.resolve();
  gated = "";
  stored: () => Promise<unknown> = () => Promise.resolve();

  override async append(...event: Parameters<MemoryEventLog["append"]>) {
    if (event[0].startsWith(this.gated)) await this.gate;
    const result = await super.append(...event);
    await this.stored();
    return result;
  }
}

/** The allocator on this log, without the lease: it serves its endpoints and settles nothing. */
async function allocatorOn(log: MemoryEventLog, clock: FakeClock) {
  const lease = { token: () => undefined, surpass: () => {}, release: async () => {} };
  const leases = { contend: () => lease, tokenOnRecord: async () => undefined };
  const ports = { log, clock, timers: clock, ids: idsInOrder("x"), leases } as unknown as ServicePorts;
  const { endpoints, sinks, begin } = createAllocator(ports, { monotonicMs: () => clock.nowMs() });
  const feed = new EventFeed(log, sinks, clock);
  await feed.start();
  begin(feed);
  const call = (endpoint: unknown, request: object, causeId: string) => {
    const served = endpoints.find((one) => one.endpoint === endpoint) as ServedEndpoint;
    return served.handle(request as never, { causeId, correlationId: "test", deduplicate: true });
  };
  return {
    resize: (vmId: string, ribosomes: number) =>
      call(
        ENDPOINTS.ledgerResize,
        { chassisId: "c", vmId, fence: 2, amounts: { ribosomes } },
        `${vmId} ${ribosomes}`,
      ),
    reserve: (planId: string, ...amounts: [vmId: string, ribosomes: number][]) => {
      const reservations = amounts.map(([vmId, ribosomes]) => ({
        vmId,
        incarnation: 1,
        amounts: { ribosomes },
      }));
      return call(ENDPOINTS.ledgerReserve, { chassisId: "c", planId, reservations }, planId);
    },
  };
}

const opened = (ribosomes: number, maxVms: number) => {
  const amounts = { capacity: { ribosomes }, offered: { ribosomes } };
  return { type: "bioxen.ledger.opened.v1", data: { chassisType: "ecoli", ...amounts, maxVms } };
};

describe("many commands of one ledger", () => {
  /** More than the attempts of one command against other writers. */
  const MANY = 60;
  const vmIds = Array.from({ length: MANY }, (_, i) => `vm-${i}`);

  /** A ledger with a reservation of one ribosome for each of many VMs. */
  async function reserved() {
    const [log, clock] = [new GatedLog(), new FakeClock()];
    await appendNext(log, "ledger", "c", opened(10 * MANY, MANY));
    const reservations = vmIds.map((vmId) => ({ vmId, incarnation: 1, amounts: { ribosomes: 1 } }));
    const data = { planId: "p", reservations, expiresAtMs: NEVER_MS };
    await appendNext(log, "ledger", "c", { type: "bioxen.ledger.reserved.v1", data });
    for (const vmId of vmIds) {
      await appendNext(log, "vm", vmId, createdVm({ request: { ribosomes: 1 } }));
      const placed = { chassisId: "c", fence: 2, allocation: { ribosomes: 1 } };
      await appendNext(log, "vm", vmId, vmEvent("placed", placed));
      await appendNext(log, "vm", vmId, vmEvent("started", { fence: 2 }));
    }
    return { log, clock, ...(await allocatorOn(log, clock)) };
  }

  it("are carried out one after the other, so that none fails by conflicts", async () => {
    const { log, resize } = await reserved();
    const replies = await Promise.all(vmIds.map((vmId) => resize(vmId, 10)));
    expect(replies).toEqual(vmIds.map(() => expect.objectContaining({ ok: true })));
    expect(await log.read("bioxen.evt.ledger.c", 2)).toHaveLength(MANY);
  });

  it("are dropped when their turn comes after their callers have given up", async () => {
    const { log, clock, resize } = await reserved();
    const { promise, resolve: openGate } = Promise.withResolvers<void>();
    log.gate = promise;
    const first = resize("vm-0", 2);
    const second = Promise.resolve(resize("vm-1", 2)).catch((thrown: unknown) => thrown);
    await clock.advance(6_000);
    openGate();
    expect(await second).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(await first).toMatchObject({ ok: true });
    expect(await log.read("bioxen.evt.ledger.c", 2)).toHaveLength(1);
  });
});

describe("a plan", () => {
  /** A chassis with 10 ribosomes, and waiting VMs: each requests ribosomes, and has a quota of its own over them. */
  async function withQuotas(vms: Readonly<Record<string, { request: number; limit: number }>>) {
    const [log, clock] = [new GatedLog(), new FakeClock()];
    await appendNext(log, "chassis", "c", registeredChassis());
    await appendNext(log, "ledger", "c", opened(10, 4));
    for (const [vmId, { request, limit }] of Object.entries(vms)) {
      const created = createdVm({ labels: { team: vmId }, request: { ribosomes: request } });
      await appendNext(log, "vm", vmId, created);
      await appendNext(log, "vm", vmId, vmEvent("start-requested", { automatic: false }));
      const quota = { label: `team=${vmId}`, resources: { ribosomes: limit } };
      await appendNext(log, "quota", quotaIdOf(quota.label), { type: "bioxen.quota.set.v1", data: quota });
    }
    return { log, ...(await allocatorOn(log, clock)) };
  }
  const refusals = (...codes: [vmId: string, code: string][]) =>
    codes.map(([vmId, code]) => ({ vmId, refusal: { chassisId: "c", code } }));

  it("reserves what ledger and quotas allow, and names a reason for each other VM", async () => {
    const { reserve } = await withQuotas({ a: { request: 5, limit: 5 }, b: { request: 4, limit: 3 } });
    expect(await reserve("p", ["a", 5], ["b", 4], ["unknown", 1])).toMatchObject({
      ok: true,
      result: { reserved: ["a"], refused: refusals(["b", "QUOTA_EXCEEDED"], ["unknown", "VM_NOT_FOUND"]) },
    });
  });

  it("gives the room of a VM that a quota refuses to no VM that was not charged", async () => {
    const { log, reserve } = await withQuotas({ a: { request: 10, limit: 0 }, b: { request: 10, limit: 0 } });
    expect(await reserve("p", ["a", 10], ["b", 10])).toMatchObject({
      ok: true,
      result: {
        seq: null,
        reserved: [],
        refused: refusals(["a", "QUOTA_EXCEEDED"], ["b", "CAPACITY_EXCEEDED"]),
      },
    });
    expect(await log.read("bioxen.evt.ledger.c", 0)).toHaveLength(1);
  });

  it("names what it reserved when another instance changes the ledger before the acknowledgement", async () => {
    const { log, reserve } = await withQuotas({ a: { request: 5, limit: 5 } });
    log.stored = async () => {
      const last = (await log.read("bioxen.evt.ledger.c", 0)).at(-1);
      if (last?.envelope.type !== "bioxen.ledger.reserved.v1") return;
      log.stored = () => Promise.resolve();
      await appendNext(log, "ledger", "c", { type: "bioxen.ledger.fenced.v1", data: { quota: "q" } });
      await settle();
    };
    expect(await reserve("p", ["a", 5])).toMatchObject({ result: { reserved: ["a"], refused: [] } });
    expect(await log.read("bioxen.evt.ledger.c", 0)).toHaveLength(3);
  });

  it("has the same outcome when its command is repeated", async () => {
    const { log, reserve } = await withQuotas({ a: { request: 5, limit: 5 }, b: { request: 5, limit: 0 } });
    const first = await reserve("p", ["a", 5]);
    expect(first).toMatchObject({ ok: true, result: { reserved: ["a"], refused: [] } });
    expect(await reserve("p", ["a", 5])).toEqual(first);
    expect(await log.read("bioxen.evt.ledger.c", 0)).toHaveLength(2);
  });

  describe("is decided on the state at the append, not on the state before its quotas were charged", () => {
    /** Reserves `a`, and appends `meanwhile` while the charge of its quota is under way. */
    async function reserveDuring(meanwhile: (log: GatedLog) => Promise<unknown>) {
      const { log, reserve } = await withQuotas({ a: { request: 5, limit: 5 } });
      const { promise, resolve: openGate } = Promise.withResolvers<void>();
      log.gate = promise;
      log.gated = "bioxen.evt.quota.";
      const reply = reserve("p", ["a", 5]);
      await settle();
      await meanwhile(log);
      await settle();
      openGate();
      return { reply: await reply, events: await log.read("bioxen.evt.ledger.c", 0) };
    }

    it("and is refused when a newer scheduler has reserved on another ledger", async () => {
      const reservations = [{ vmId: "b", incarnation: 1, amounts: { ribosomes: 1 } }];
      const data = { planId: "newer", reservations, expiresAtMs: NEVER_MS, proposerToken: 2 };
      const { reply, events } = await reserveDuring((log) =>
        appendNext(log, "ledger", "d", { type: "bioxen.ledger.reserved.v1", data }),
      );
      expect(reply).toMatchObject({ rejection: { code: "CONFLICT", details: { newestToken: 2 } } });
      expect(events).toHaveLength(1);
    });

    it("and reserves nothing for a VM that the chassis no longer admits", async () => {
      const taints = [{ key: "dedicated", effect: "NoSchedule" }];
      const { data } = registeredChassis();
      const { reply, events } = await reserveDuring((log) =>
        appendNext(log, "chassis", "c", {
          type: "bioxen.chassis.reconfigured.v1",
          data: { ...data, taints },
        }),
      );
      expect(reply).toMatchObject({ result: { reserved: [], refused: refusals(["a", "CONFLICT"]) } });
      expect(events).toHaveLength(1);
    });
  });
});
