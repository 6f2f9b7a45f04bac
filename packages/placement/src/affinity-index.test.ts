/**
 * A plan respects labels, taints, affinity and anti-affinity, also between the VMs that it places itself.
 */
import { type Chassis, type Neighbour, Neighbours } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { planPlacements } from "./plan.ts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";

const there = (vmId: string, labels: Record<string, string>, placement: object = {}): Neighbour => ({
  vmId,
  labels,
  placement: placement as Record<string, unknown>,
});

function roomOf(
  chassisId: string,
  neighbours: Neighbour[] = [],
  chassis: Partial<Chassis> = {},
): ChassisRoom {
  return {
    chassisId,
    chassis: { chassisType: "ecoli", capacity: {}, maxVms: 10, labels: {}, ...chassis } as Chassis,
    offered: { ribosomes: 100 },
    room: { free: { ribosomes: 100 }, placesLeft: 10 },
    neighbours: new Neighbours(neighbours),
  };
}

function waiting(vmId: string, placement: object, labels: Record<string, string> = {}): WaitingVm {
  const base = { incarnation: 1, vmType: "basic", request: { ribosomes: 10 }, priority: 1 } as const;
  return { vmId, labels, placement: placement as Record<string, unknown>, waitingSinceMs: 0, ...base };
}

const where = (vms: WaitingVm[], rooms: ChassisRoom[]) =>
  Object.fromEntries(planPlacements(vms, rooms).placements.map(({ vm, chassisId }) => [vm.vmId, chassisId]));
const whyNot = (vm: WaitingVm, rooms: ChassisRoom[]) =>
  planPlacements([vm], rooms).deferrals[0]?.reasons.map(({ message }) => message);

const WEB = { labels: { app: "web" } };

it("places a VM only on a chassis with the labels that it asks for", () => {
  const rooms = [roomOf("a"), roomOf("b", [], { labels: { zone: "north" } })];
  expect(where([waiting("x", { chassisLabels: { zone: "north" } })], rooms)).toEqual({ x: "b" });
  expect(whyNot(waiting("x", { chassisLabels: { zone: "south" } }), rooms)).toEqual([
    "the VM asks for a chassis labelled zone=south",
    "the VM asks for a chassis labelled zone=south",
  ]);
});

it("NoSchedule taints exclude VMs that do not tolerate them; PreferNoSchedule only where another chassis has room", () => {
  const taints = [{ key: "lab", value: "p2", effect: "NoSchedule" as const }];
  const rooms = [roomOf("a", [], { taints })];
  expect(whyNot(waiting("x", {}), rooms)).toEqual(["the VM does not tolerate its taint lab=p2:NoSchedule"]);
  for (const toleration of [
    { key: "lab" },
    { key: "lab", value: "p2" },
    { key: "lab", effect: "NoSchedule" },
  ]) {
    expect(where([waiting("x", { tolerations: [toleration] })], rooms)).toEqual({ x: "a" });
  }
  for (const toleration of [
    { key: "lab", value: "p1" },
    { key: "lab", effect: "PreferNoSchedule" },
  ]) {
    expect(where([waiting("x", { tolerations: [toleration] })], rooms)).toEqual({});
  }
  const soft = roomOf("a", [], { taints: [{ key: "old", effect: "PreferNoSchedule" }] });
  expect(where([waiting("x", {})], [soft, roomOf("b")])).toEqual({ x: "b" });
  expect(where([waiting("x", { tolerations: [{ key: "old" }] })], [soft, roomOf("b")])).toEqual({ x: "a" });
  expect(where([waiting("x", {})], [soft])).toEqual({ x: "a" });
});

it("affinity follows a VM id, labels, and a VM that the same plan places before or after", () => {
  const rooms = [roomOf("a"), roomOf("b", [there("db", { app: "db" })])];
  expect(where([waiting("x", { affinity: [{ vmIds: ["db"] }] })], rooms)).toEqual({ x: "b" });
  expect(where([waiting("x", { affinity: [{ labels: { app: "db" } }] })], rooms)).toEqual({ x: "b" });
  const follower = waiting("a-follower", { affinity: [{ vmIds: ["leader"] }] });
  const leader = waiting("leader", { chassisId: "b" });
  expect(where([follower, leader], rooms)).toEqual({ "a-follower": "b", leader: "b" });
  expect(whyNot(follower, [roomOf("a")])).toEqual(["the VM must be with VM leader, and none is there"]);
});

it("the first VM that matches its own affinity term goes anywhere, and the others follow it", () => {
  const kind = (id: string) => waiting(id, { affinity: [WEB], policy: "spread" }, { app: "web" });
  const placed = where([kind("x"), kind("y"), kind("z")], [roomOf("a"), roomOf("b"), roomOf("c")]);
  expect(new Set(Object.values(placed)).size).toBe(1);
  expect(where([kind("x")], [roomOf("a"), roomOf("b", [there("w", { app: "web" })])])).toEqual({ x: "b" });
});

it("anti-affinity holds within a plan, against VMs on the chassis, and for VMs on the chassis", () => {
  const apart = (id: string) => waiting(id, { antiAffinity: [WEB] }, { app: "web" });
  const rooms = [roomOf("a"), roomOf("b")];
  const three = planPlacements([apart("x"), apart("y"), apart("z")], rooms);
  expect(new Set(three.placements.map(({ chassisId }) => chassisId))).toEqual(new Set(["a", "b"]));
  expect(three.deferrals).toHaveLength(1);
  expect(three.deferrals[0]?.reasons[0]?.message).toMatch(
    /is there, and the VM must not be with VMs labelled app=web/,
  );
  const withTerm = there("s", {}, { antiAffinity: [{ vmIds: ["x"] }] });
  expect(where([waiting("x", {}), waiting("y", {})], [roomOf("a", [withTerm])])).toEqual({ y: "a" });
  expect(whyNot(waiting("x", {}), [roomOf("a", [withTerm])])).toEqual([
    "s is there, and must not be with VM x",
  ]);
});

it("preferred terms go before the score, in order of weight, and never leave a VM without a place", () => {
  const full = { ...roomOf("a"), room: { free: { ribosomes: 10 }, placesLeft: 1 } };
  const rooms = [
    full,
    roomOf("b", [there("db", { app: "db" })]),
    roomOf("c", [there("web", { app: "web" })]),
  ];
  const near = (labels: object, weight?: number) => ({ labels, preferred: true, ...(weight && { weight }) });
  const db = near({ app: "db" });
  expect(where([waiting("x", {})], rooms)).toEqual({ x: "a" });
  expect(where([waiting("x", { affinity: [db] })], rooms)).toEqual({ x: "b" });
  expect(where([waiting("x", { affinity: [db, near({ app: "web" }, 2)] })], rooms)).toEqual({ x: "c" });
  expect(where([waiting("x", { antiAffinity: [db] })], [rooms[1] as ChassisRoom])).toEqual({ x: "b" });
  const { scores } = planPlacements([waiting("x", { affinity: [db] })], rooms);
  expect(scores["x"]?.map(({ preference }) => preference)).toEqual([0, 1, 0]);
});

it("the terms of a VM see only VMs of the same owner, and those of the admin see all", () => {
  const of = (owner: string, vm: WaitingVm): WaitingVm => ({ ...vm, owner });
  const placed = (owner: string, placement: object = {}) => ({
    ...there("web", WEB.labels, placement),
    owner,
  });
  const apart = waiting("x", { antiAffinity: [{ ...WEB, vmIds: ["web"] }] });
  const near = waiting("x", { affinity: [WEB] });
  const onlyRoom = (one: Neighbour) => [roomOf("a", [one])];
  expect(where([of("alice", apart)], onlyRoom(placed("bob")))).toEqual({ x: "a" });
  expect(where([of("alice", apart)], onlyRoom(placed("alice")))).toEqual({});
  expect(where([of("admin", apart)], onlyRoom(placed("bob")))).toEqual({});
  expect(where([of("alice", near)], onlyRoom(placed("bob")))).toEqual({});
  expect(where([of("alice", near)], onlyRoom(placed("alice")))).toEqual({ x: "a" });
  const web = waiting("y", {}, WEB.labels);
  const repels = { antiAffinity: [WEB] };
  expect(where([of("bob", web)], onlyRoom(placed("alice", repels)))).toEqual({ y: "a" });
  expect(where([of("alice", web)], onlyRoom(placed("alice", repels)))).toEqual({});
  expect(where([of("bob", web)], onlyRoom(placed("admin", repels)))).toEqual({});
});

it("the first VM of a group is placed although another owner has such VMs", () => {
  const first = waiting("x", { affinity: [WEB] }, WEB.labels);
  const rooms = [roomOf("a", [{ ...there("web", WEB.labels), owner: "bob" }])];
  expect(where([{ ...first, owner: "alice" }], rooms)).toEqual({ x: "a" });
});
