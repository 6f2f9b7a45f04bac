/** The driver's copy of the pool's records agrees with the records that it was given, whatever was known of them before. */
import { expect, it } from "vitest";
import { guestOf } from "../src/driver/inventory.ts";
import { inventoryWith, record } from "./pool-records.ts";

it("one read of a machine whose keys are those of an earlier start replaces what was known of it", async () => {
  const { inventory, read } = await inventoryWith({ vm: record(20) });
  await read("vm", record(10, { power_state: "Halted" }));
  expect(inventory.own("x1")?.tags.fence).toBe(10);
  expect(inventory.allOwn().map(guestOf)).toMatchObject([{ vmId: "x1", fence: 10, state: "failed" }]);
});

it("a machine whose keys are those of another owner now is no longer the agent's", async () => {
  const { inventory, read } = await inventoryWith({ vm: record(20) });
  const foreign = record(20);
  await read("vm", {
    ...foreign,
    other_config: { ...foreign.other_config, "bioxen:cluster": "ffeeddccbbaa9988" },
  });
  expect([inventory.own("x1"), inventory.ownByRef("vm"), inventory.allOwn()]).toEqual([
    undefined,
    undefined,
    [],
  ]);
});

it("what is known of a machine stays as it was read, while a later state of it is being looked up in the log", async () => {
  const { inventory, ownership } = await inventoryWith({ vm: record(20) });
  await ownership.learn([record(10)]);
  expect(inventory.ownByRef("vm")?.tags.fence).toBe(20);
});

it("of two machines of one VM the newer counts, and the older once the newer is gone or is older itself", async () => {
  const { inventory, read } = await inventoryWith({ old: record(10, {}, "uuid-old"), vm: record(20) });
  expect(inventory.own("x1")?.ref).toBe("vm");
  inventory.remove("vm");
  expect(inventory.own("x1")?.ref).toBe("old");
  await read("vm", record(20));
  expect(inventory.own("x1")?.ref).toBe("vm");
  await read("vm", record(5));
  expect(inventory.own("x1")?.ref).toBe("old");
});
