/**
 * The steps of a plan must end in the desired state, and a new plan must then be empty. Checked from every VM state.
 */
import { VM_STATES, type VmView } from "@bioxen/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Fleet, parseFleet, type WantedVm } from "./fleet-file.ts";
import { FLEET_STATES } from "./fleet-schema.ts";
import { nextStep, planOf, type Step } from "./plan.ts";

async function fleetOf(vms: readonly object[], name = "lab"): Promise<Fleet> {
  const parsed = await parseFleet(JSON.stringify({ fleet: name, vms }), ".");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.fleet;
}

/** The view that lifecycle returns right after a create. */
function viewOf({ vmId, create, request }: WantedVm, more: Partial<VmView> = {}): VmView {
  const {
    biologicalType,
    vmType,
    priority,
    seed = 7,
    labels,
    environment,
    placement,
    restartPolicy,
    config,
  } = create;
  return {
    vmId,
    biologicalType,
    vmType,
    priority,
    seed,
    labels,
    environment,
    placement,
    restartPolicy,
    config,
    request,
    guarantee: request,
    state: "created",
    parent: null,
    reason: null,
    refusals: [],
    preemption: null,
    allocation: null,
    version: 1,
    ...more,
  } as unknown as VmView;
}

const CELL = { vmId: "c1", biologicalType: "syn3a" };

async function wantedOf(more: object = {}): Promise<WantedVm> {
  const { vms } = await fleetOf([{ ...CELL, ...more }]);
  return vms[0] as WantedVm;
}

describe("a plan", () => {
  it("creates absent VMs, keeps matching VMs, and prunes only VMs of the fleet that left the file", async () => {
    const fleet = await fleetOf([CELL, { ...CELL, vmId: "c2" }]);
    const [c1, c2] = fleet.vms as [WantedVm, WantedVm];
    const present = [
      viewOf(c2, { state: "running" }),
      viewOf(c1, { vmId: "c3" }),
      viewOf(c1, { vmId: "c4", labels: {} }),
      viewOf(c1, { vmId: "c5", labels: { "bioxen.io/fleet": "other" } }),
      viewOf(c1, { vmId: "c6", parent: "c1" }),
    ];
    const actions = (prune: boolean) =>
      planOf(fleet, present, prune).map((one) => `${one.vmId} ${one.action}`);
    expect(actions(false)).toEqual(["c1 create", "c2 unchanged", "c3 left"]);
    expect(actions(true)).toEqual(["c1 create", "c2 unchanged", "c3 prune"]);
  });

  it("marks an id as foreign when its VM belongs to another fleet or to none", async () => {
    const fleet = await fleetOf([CELL]);
    const c1 = fleet.vms[0] as WantedVm;
    for (const labels of [{}, { "bioxen.io/fleet": "other" }] as VmView["labels"][]) {
      expect(planOf(fleet, [viewOf(c1, { labels })], true)[0]?.action).toBe("foreign");
    }
  });

  it("lists the differences, and replaces the VM only when one of them cannot change in place", async () => {
    const before = viewOf(await wantedOf({ labels: { team: "red" } }), { state: "running" });
    const planned = async (more: object) => planOf(await fleetOf([{ ...CELL, ...more }]), [before], false)[0];
    expect(await planned({ labels: { team: "red" } })).toMatchObject({
      action: "unchanged",
      differences: [],
    });
    expect(
      await planned({ labels: { team: "red" }, resources: { ribosomes: "50%" }, state: "paused" }),
    ).toMatchObject({
      action: "change",
      differences: [
        { field: "resources.ribosomes", from: 503, to: 252 },
        { field: "state", from: "running", to: "paused" },
      ],
    });
    expect(
      await planned({
        labels: { team: "blue" },
        seed: 9,
        environment: { substrate: 5 },
        burst: { ribosomes: 503 },
      }),
    ).toMatchObject({
      action: "replace",
      differences: [
        { field: "seed", from: 7, to: 9 },
        { field: "labels.team", from: "red", to: "blue" },
        { field: "environment.substrate", from: null, to: 5 },
        { field: "burst.ribosomes", from: null, to: 503 },
      ],
    });
  });

  it("detects an added, changed or removed guarantee, and reports none for a resize alone", async () => {
    const half = { guarantee: { ribosomes: "50%" } };
    const plain = viewOf(await wantedOf());
    const guaranteed = viewOf(await wantedOf(half), { guarantee: { ...plain.request, ribosomes: 252 } });
    const differences = async (more: object, vm: VmView) => {
      const [planned] = planOf(await fleetOf([{ ...CELL, state: "stopped", ...more }]), [vm], false);
      return planned?.differences.map(({ field, from, to }) => `${field} ${from} ${to}`);
    };
    expect(await differences({}, plain)).toEqual([]);
    expect(await differences(half, guaranteed)).toEqual([]);
    expect(await differences(half, plain)).toEqual(["guarantee.ribosomes 503 252"]);
    expect(await differences({}, guaranteed)).toEqual(["guarantee.ribosomes 252 503"]);
    const larger = { resources: { ribosomes: 600 } };
    expect(await differences(larger, plain)).toEqual(["resources.ribosomes 503 600"]);
    expect(await differences({ ...half, ...larger }, guaranteed)).toEqual(["resources.ribosomes 503 600"]);
  });

  it("treats a pending VM and a VM paused by preemption as running", async () => {
    const wanted = await wantedOf();
    const waiting = viewOf(wanted, {
      state: "pending",
      refusals: [{ chassisId: null, code: "X", message: "" }] as never,
    });
    const preemption = { mode: "pause", active: true, heldByUser: false } as VmView["preemption"];
    const heldBack = viewOf(wanted, { state: "paused", preemption });
    for (const vm of [waiting, heldBack]) expect(nextStep(wanted, vm)).toBe("rest");
  });
});

/** The VM after a step that succeeds. */
function after(step: Step, wanted: WantedVm, vm: VmView | undefined): VmView | undefined {
  const passing = { starting: "running", stopping: "stopped", pending: "running" } as const;
  switch (step) {
    case "create":
      return viewOf(wanted, { version: (vm?.version ?? 0) + 1 });
    case "destroy":
      return undefined;
    case "wait":
      return { ...vm, state: passing[vm?.state as keyof typeof passing] } as VmView;
    case "resize":
      return { ...vm, request: wanted.request } as VmView;
    default: {
      const to = { start: "pending", pause: "paused", resume: "running", stop: "stopping", rest: vm?.state };
      return { ...vm, state: to[step] } as VmView;
    }
  }
}

describe("the steps", () => {
  it("lead from any state to the desired state, repeat only waits, and leave an empty plan", async () => {
    const variants = await Promise.all(
      FLEET_STATES.flatMap((state) => [
        wantedOf({ state }),
        wantedOf({ state, resources: { ribosomes: 100 } }),
        wantedOf({ state, priority: 5 }),
      ]),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...variants),
        fc.constantFrom(...variants),
        fc.constantFrom(undefined, ...VM_STATES),
        (first, wanted, state) => {
          let vm = state === undefined ? undefined : viewOf(first, { state });
          const taken: Step[] = [];
          for (let step = nextStep(wanted, vm); step !== "rest"; step = nextStep(wanted, vm)) {
            taken.push(step);
            expect(taken.length).toBeLessThan(12);
            vm = after(step, wanted, vm);
          }
          const sent = taken.filter((step) => step !== "wait");
          expect(new Set(sent).size).toBe(sent.length);
          const fleet: Fleet = { name: "lab", vms: [wanted] };
          expect(planOf(fleet, vm === undefined ? [] : [vm], true)[0]).toMatchObject({ action: "unchanged" });
          expect(vm?.request).toEqual(wanted.request);
        },
      ),
    );
  });

  it("destroy a pruned VM from any state", async () => {
    const wanted = await wantedOf();
    for (const state of VM_STATES) {
      let vm: VmView | undefined = viewOf(wanted, { state });
      for (let step = nextStep(undefined, vm); step !== "rest"; step = nextStep(undefined, vm)) {
        vm = after(step, wanted, vm);
      }
      expect(vm?.state ?? "destroyed").toBe("destroyed");
    }
  });
});
