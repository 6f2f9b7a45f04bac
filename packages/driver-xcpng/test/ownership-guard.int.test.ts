/**
 * The check of the owner before each call that changes something in the pool: no method is left out, and the check holds
 * although the machine changes its owner in the middle of an operation.
 */
import { type FakeXapi, TEMPLATE_NAME } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { driverErrorCode } from "@bioxen/vm-driver";
import { describe, expect, it } from "vitest";
import { Ownership } from "../src/driver/ownership.ts";
import { CHECK_OF, type ChangingMethod, OwnershipGuard } from "../src/driver/ownership-guard.ts";
import type { XapiClient } from "../src/xapi/client.ts";
import { METHODS } from "../src/xapi/methods.ts";
import { clientOf, thrownBy } from "./connect.ts";
import { machineSpec, ownerOf, withDriver } from "./fleet.ts";
import { atNext, contents, OTHER_CLUSTER, only, taken } from "./pool-contents.ts";

const ALL = Object.keys(CHECK_OF) as ChangingMethod[];
const unchecked = ALL.filter((method) => typeof CHECK_OF[method] === "object");
const made = (fake: FakeXapi, method: string) => fake.statistics.byMethod.get(method) ?? 0;

/** A client with the guard of the agent `test`, as a driver has it. */
function guarded(fake: FakeXapi): XapiClient {
  const guard = new OwnershipGuard(() => client, new Ownership(ownerOf("test")));
  const client: XapiClient = clientOf(fake, {
    guard: (method, args, machine) => guard.check(method, args, machine),
  });
  return client;
}

describe("the guard", () => {
  it("has an entry for each method that changes something; those without a check have a reason", () => {
    const isChanging = (method: string) => !/\.get_|^(?:session|event|task)\./.test(method);
    expect([...ALL].sort()).toEqual(Object.keys(METHODS).filter(isChanging).sort());
    // A call that is no longer checked is a decision for a review, not a new entry in a list.
    expect([...unchecked].sort()).toEqual(["VM.clone", "VM.copy"]);
    for (const method of unchecked)
      expect(CHECK_OF[method]).toMatchObject({ unchecked: expect.stringMatching(/\w{20,}|(?:\w+ ){5}/) });
  });

  it.each(ALL.filter((method) => !unchecked.includes(method)))(
    "sends no %s for a machine of another owner, its snapshot, interface or disk",
    async (method) => {
      await withDriver(async ({ fake, driver }) => {
        await driver.start(machineSpec("x1", 10));
        await driver.snapshots?.take("x1", 10, "s1");
        const [vm, fields] = only(fake, "x1");
        const [snapshot = ""] = fields["snapshots"] as string[];
        const [vbd = ""] = fields["VBDs"] as string[];
        const [network = ""] = fake.pool.db.all("network").map(([ref]) => ref);
        const vif = await fake.outside("VIF.create", { device: "0", network, VM: vm, MAC: "", MTU: 1_500 });
        const disk = String(fake.pool.db.get("VBD", vbd)["VDI"]);
        taken(fake, "x1");
        const before = [contents(fake), made(fake, method), made(fake, `Async.${method}`)];
        const client = guarded(fake);
        try {
          for (const machine of [vm, snapshot]) {
            const [first] = METHODS[method].params;
            const subject = {
              "VM ref": machine,
              "VDI ref": disk,
              "VIF ref": vif,
              "VIF record": { VM: machine },
            };
            const args = [subject[first], "bioxen:remove", "value"] as never;
            for (const send of ["call", "begin"] as const) {
              const error = await thrownBy(client[send](method, args, { machine }));
              expect(driverErrorCode(error)).toBe("UNAVAILABLE");
              expect(error.message).toContain(`${method} was not called: `);
            }
          }
        } finally {
          await client.close();
        }
        expect([contents(fake), made(fake, method), made(fake, `Async.${method}`)]).toEqual(before);
      });
    },
  );

  it("checks again before a call that is sent again after a lost session", async () => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      const [ref] = only(fake, "x1");
      const client = guarded(fake);
      try {
        await client.call("VM.get_record", [ref]);
        fake.faults.add({ kind: "lose-session", method: "VM.add_tags" });
        atNext(fake, "session.login_with_password", () => taken(fake, "x1"));
        const error = await thrownBy(client.call("VM.add_tags", [ref, "late"]));
        expect(error.message).toContain("VM.add_tags was not called: ");
        expect(only(fake, "x1")[1]["tags"]).not.toContain("late");
      } finally {
        await client.close();
      }
    });
  });

  it("checks after the wait for a slot, not before it", async () => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      const [ref] = only(fake, "x1");
      const guard = new OwnershipGuard(() => client, new Ownership(ownerOf("test")));
      const client: XapiClient = clientOf(fake, {
        limits: { maxInFlight: 1 },
        guard: (method, args, machine) => guard.check(method, args, machine),
      });
      try {
        await client.session();
        const order: string[] = [];
        let other: Promise<unknown> | undefined;
        // Another call wants the only slot from the check on, and the owner changes when it has the slot.
        atNext(fake, "VM.get_record", () => {
          other = client.call("pool.get_all_records", []);
        });
        atNext(fake, "pool.get_all_records", () => {
          taken(fake, "x1");
          order.push("another owner");
        });
        atNext(fake, "VM.add_tags", () => order.push("tag"));
        await client.call("VM.add_tags", [ref, "late"]);
        await other;
        expect(order).toEqual(["tag", "another owner"]);
      } finally {
        await client.close();
      }
    });
  });
});

describe("a machine whose owner changes in the middle of", () => {
  it.each([
    ["keeps its network interface", true, "VIF.get_record", "VIF.destroy"],
    ["gets no network interface", false, "network.get_all_records", "VIF.create"],
  ] as const)("a start %s", async (_what, hasInterface, at, refused) => {
    await withDriver(async ({ fake, driver }) => {
      const [network = ""] = fake.pool.db.all("network").map(([ref]) => ref);
      fake.pool.db.add("network", { name_label: "lab" });
      const [template] = fake.pool.db.all("VM").find(([, vm]) => vm["name_label"] === TEMPLATE_NAME) ?? [];
      const vif = { device: "0", network, VM: template, MAC: "", MTU: 1_500 };
      if (hasInterface) await fake.outside("VIF.create", vif);
      let before: unknown;
      atNext(fake, at, () => {
        taken(fake, "x1");
        before = contents(fake);
      });
      const error = await thrownBy(driver.start(machineSpec("x1", 10, { config: { network: "lab" } })));
      expect(error.message).toContain(`${refused} was not called: `);
      expect(contents(fake)).toEqual(before);
    });
  });

  it("a removal keeps its disks free of marks", async () => {
    await withDriver(async ({ fake, driver }) => {
      await driver.start(machineSpec("x1", 10));
      await driver.stop("x1", 10);
      let before: unknown;
      atNext(fake, "VBD.get_record", () => {
        taken(fake, "x1");
        before = contents(fake);
      });
      const error = await thrownBy(driver.discard("x1", 1));
      expect(error.message).toContain("VDI.add_to_other_config was not called: ");
      expect(contents(fake)).toEqual(before);
    });
  });

  it("the marking at a driver's start keeps its keys, name and tags", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      await driver.start(machineSpec("x1", 10));
      await driver.close();
      const [ref] = only(fake, "x1");
      await fake.outside("VM.set_name_label", ref, "renamed by an administrator");
      let before: unknown;
      // The first read of a single machine is that of the marking.
      atNext(fake, "VM.get_record", () => {
        taken(fake, "x1");
        before = contents(fake);
      });
      const troubles: string[] = [];
      const next = again({ onTrouble: (message) => troubles.push(message) });
      await next.whenReady();
      await eventually("the marking is refused", () => troubles.length > 0 || undefined);
      expect(troubles.join()).toMatch(/^marking x1: VM\.set_other_config was not called: /);
      expect(contents(fake)).toEqual(before);
    });
  });

  it("an adoption stays with the BioXen that was first", async () => {
    await withDriver(async ({ fake, driver, again }) => {
      await driver.start(machineSpec("x1", 10));
      const [ref, { uuid }] = only(fake, "x1");
      await driver.close();
      const next = again({ owner: ownerOf("test", OTHER_CLUSTER) });
      await next.whenReady();
      let before: unknown;
      let reads = 0;
      // The second read is that of the guard, after the operator's decision was checked.
      const when = (): boolean => {
        reads += 1;
        if (reads === 2) {
          taken(fake, "x1", "1111111111111111");
          before = contents(fake);
        }
        return false;
      };
      fake.faults.add({ kind: "refuse", method: "VM.get_record", code: "INTERNAL_ERROR", when });
      const error = await thrownBy(next.start(machineSpec("y1", 20, { config: { machine: uuid } })));
      expect(error.message).toContain("VM.set_other_config was not called: ");
      expect(contents(fake)).toEqual(before);
      expect(fake.pool.db.get("VM", ref)["other_config"]).toMatchObject({ "bioxen:vm-id": "x1" });
    });
  });
});
