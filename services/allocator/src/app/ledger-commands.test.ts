/**
 * Many commands of one ledger at once, at one instance.
 */
import { ENDPOINTS, type ServedEndpoint } from "@bioxen/contracts";
import { EventFeed, type ServicePorts } from "@bioxen/kernel";
import { appendNext, FakeClock, idsInOrder, MemoryEventLog } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { createAllocator } from "./service.ts";

/** More than a command tries against other writers. */
const MANY = 60;
const OFFERED = { ribosomes: 10 * MANY };
const NEVER_MS = 9e15;
const vmIds = Array.from({ length: MANY }, (_, i) => `vm-${i}`);

/** Stores when it is told to. */
class HeldLog extends MemoryEventLog {
  held: Promise<unknown> = Promise.resolve();

  override async append(...event: Parameters<MemoryEventLog["append"]>) {
    await this.held;
    return super.append(...event);
  }
}

/** A ledger `c` with a ribosome for each of many VMs, and the one instance that serves it. */
async function allocator() {
  const log = new HeldLog();
  const clock = new FakeClock();
  const put = (type: string, data: object) =>
    appendNext(log, "ledger", "c", { type: `bioxen.ledger.${type}.v1`, data });
  await put("opened", { chassisType: "ecoli", capacity: OFFERED, offered: OFFERED, maxVms: MANY });
  const reservations = vmIds.map((vmId) => ({ vmId, incarnation: 1, amounts: { ribosomes: 1 } }));
  await put("reserved", { planId: "p", reservations, expiresAtMs: NEVER_MS });
  const leases = { contend: () => ({ token: () => undefined, surpass: () => {}, release: async () => {} }) };
  const ports = { log, clock, timers: clock, ids: idsInOrder("x"), leases } as unknown as ServicePorts;
  const { endpoints, sinks, begin } = createAllocator(ports, { monotonicMs: () => clock.nowMs() });
  const feed = new EventFeed(log, sinks, clock);
  await feed.start();
  begin(feed);
  const served = endpoints.find(({ endpoint }) => endpoint === ENDPOINTS.ledgerResize) as ServedEndpoint;
  const resize = (vmId: string, ribosomes: number) =>
    served.handle({ chassisId: "c", vmId, fence: 2, amounts: { ribosomes } } as never, {
      causeId: `${vmId} ${ribosomes}`,
      correlationId: vmId,
      deduplicate: true,
    });
  return { log, clock, resize };
}

it("commands of one ledger do not drive each other out: each has its turn", async () => {
  const { log, resize } = await allocator();
  const answers = await Promise.all(vmIds.map((vmId) => resize(vmId, 10)));
  expect(answers).toEqual(vmIds.map(() => expect.objectContaining({ ok: true })));
  expect(await log.read("bioxen.evt.ledger.c", 2)).toHaveLength(MANY);
});

it("a command whose turn comes when nobody waits any more is not carried out", async () => {
  const { log, clock, resize } = await allocator();
  const { promise, resolve: store } = Promise.withResolvers<void>();
  log.held = promise;
  const first = resize("vm-0", 2);
  const second = Promise.resolve(resize("vm-1", 2)).catch((thrown: unknown) => thrown);
  await clock.advance(6_000);
  store();
  expect(await second).toMatchObject({ code: "UNAVAILABLE", retryable: true });
  expect(await first).toMatchObject({ ok: true });
  expect(await log.read("bioxen.evt.ledger.c", 2)).toHaveLength(1);
});
