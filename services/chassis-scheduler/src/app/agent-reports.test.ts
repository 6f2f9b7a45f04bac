/**
 * What agents report about their pools counts only from the agent of the chassis, and no agent makes the chassis of
 * another one its own.
 */
import { chassisTypesWith, type Handled } from "@bioxen/contracts";
import { type Causation, EventFeed, type ServicePorts } from "@bioxen/kernel";
import { appendNext, FakeClock, idsInOrder, MemoryEventLog, registeredChassis } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { ChassisCommands } from "./chassis-commands.ts";
import { Cluster } from "./cluster.ts";

const UUID = "0a0b0c0d-1a1b-4c1d-8a2b-2c2d3a3b3c3d";
const LEFT = { vmId: "x1", kind: "disk", tries: 11, reason: "VDI_IN_USE", nextTryAtMs: null } as const;

const by = (role: NonNullable<Causation["role"]>, principal: string): Causation => ({
  causeId: `by-${principal}`,
  correlationId: "x",
  deduplicate: false,
  role,
  principal,
});
const from = (agentId: string): Causation => by("agent", `agent:${agentId}`);

/** Commands on the chassis `c`, which the agent `a` runs, and which deletes a machine. */
async function commands() {
  const log = new MemoryEventLog();
  const clock = new FakeClock();
  await appendNext(log, "chassis", "c", registeredChassis());
  const ports = { log, clock, timers: clock, ids: idsInOrder("x") } as unknown as ServicePorts;
  const cluster = new Cluster(ports, () => clock.nowMs(), 1_000);
  const feed = new EventFeed(log, [cluster.chassis, cluster.drains, cluster.vms, cluster.ledgers], clock);
  await feed.start();
  cluster.begin(feed);
  const caller = { request: () => Promise.reject(new Error("no agent is asked")) } as never;
  const made = new ChassisCommands(cluster, log, caller, chassisTypesWith([]));
  await made.deleteMachine({ chassisId: "c", uuid: UUID }, from("a"));
  return { made, log };
}

type Report = (
  made: ChassisCommands,
  causation: Causation,
) => Promise<Handled<{ readonly changed: boolean }>>;
const REPORTS: readonly [string, Report][] = [
  ["what is left", (made, by) => made.reportLeft({ chassisId: "c", uuid: UUID, left: LEFT }, by)],
  [
    "a deleted machine",
    (made, by) => made.reportMachine({ chassisId: "c", uuid: UUID, outcome: "DELETED", reason: "" }, by),
  ],
];

it.each(REPORTS)(
  "a report of %s by another agent is refused, and that of its own is taken",
  async (_what, report) => {
    const { made, log } = await commands();
    const before = await log.lastSeq();
    const refused = await report(made, from("b"));
    expect(refused).toMatchObject({ ok: false, rejection: { code: "FORBIDDEN" } });
    expect(await log.lastSeq()).toBe(before);
    expect(await report(made, from("a"))).toMatchObject({ ok: true, result: { changed: true } });
    expect(await log.lastSeq()).toBe(before + 1);
  },
);

const asAgent = (agentId: string) => ({
  chassisId: "c",
  chassisType: "ecoli",
  overheadPermille: 150,
  labels: {},
  taints: [],
  agentId,
});

it("another agent cannot register the chassis as its own, and an operator can give it to that agent", async () => {
  const { made, log } = await commands();
  const before = await log.lastSeq();
  const refused = await made.register(asAgent("b"), from("b"));
  expect(refused).toMatchObject({
    ok: false,
    rejection: { code: "FORBIDDEN", retryable: false, details: { agentId: "a" } },
  });
  expect(await log.lastSeq()).toBe(before);
  const given = await made.register(asAgent("b"), by("operator", "olga"));
  expect(given).toMatchObject({ ok: true, result: { chassis: { agentId: "b" } } });
  expect(await made.register(asAgent("a"), from("a"))).toMatchObject({ ok: false });
});

it("on a stack without keys the later registration decides", async () => {
  const { made } = await commands();
  const taken = await made.register(asAgent("b"), by("anonymous", "anonymous"));
  expect(taken).toMatchObject({ ok: true, result: { chassis: { agentId: "b" } } });
});
