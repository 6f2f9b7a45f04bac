import { expect, it } from "vitest";
import { containedDriver, driverProblems } from "./contained.ts";
import { createScriptedDriver } from "./scripted.ts";

const spec = {
  vmId: "v1",
  incarnation: 1,
  fence: 7,
  biologicalType: "syn3a",
  seed: 1,
  allocation: { ribosomes: 1 },
  config: {},
};

/** A driver whose `broken` methods throw a `TypeError` instead of a `DriverError`. */
function brokenIn(...broken: readonly string[]) {
  const troubles: string[] = [];
  const inner = createScriptedDriver();
  const driver = new Proxy(inner, {
    get(target, name, receiver) {
      const value = Reflect.get(target, name, target);
      if (broken.includes(String(name))) {
        return () => {
          throw new TypeError(`${String(name)} is broken`);
        };
      }
      return typeof value === "function" ? value.bind(target) : (value ?? receiver);
    },
  });
  return { inner, troubles, wall: containedDriver(driver, (message) => troubles.push(message)), broken };
}

it("a start with an unexpected exception fails its guest, and is not retried", async () => {
  const { wall, troubles } = brokenIn("start");
  await expect(wall.start(spec)).rejects.toMatchObject({ code: "GUEST_ERROR", retryable: false });
  expect(troubles).toEqual(["the driver of basic failed on start"]);
});

it("another unexpected exception is UNAVAILABLE and retryable; a DriverError passes through", async () => {
  const { wall } = brokenIn("pause");
  await wall.start(spec);
  await expect(wall.pause("v1", 7)).rejects.toMatchObject({ code: "UNAVAILABLE", retryable: true });
  await expect(wall.resume("v1", 3)).rejects.toMatchObject({ code: "STALE_FENCE" });
});

it("if list throws, the last list is returned", async () => {
  const { wall, broken, troubles } = brokenIn();
  await wall.start(spec);
  const before = wall.list();
  expect(before).toHaveLength(1);
  (broken as string[]).push("list", "sample", "tick");
  const sample = wall.sample("v1");
  expect(wall.list()).toEqual(before);
  wall.tick(1_000);
  expect(sample).toBeUndefined();
  expect(troubles).toHaveLength(3);
});

it("names every problem of an invalid driver", () => {
  expect(driverProblems(createScriptedDriver())).toEqual([]);
  expect(driverProblems(7)).toEqual(["is not an object"]);
  expect(driverProblems({ capabilities: { vmType: "basic" }, list: () => [] })).toEqual(
    expect.arrayContaining(["has no method start", "capabilities.clock: is not host or own"]),
  );
});

it("what a driver has left behind is passed on; if leftBehind throws, the last list is returned", () => {
  const left = [{ vmId: "v1", kind: "disk", uuid: "u1", tries: 1, reason: "in use" }] as const;
  const inner = Object.assign(createScriptedDriver(), { leftBehind: (): typeof left => left });
  const wall = containedDriver(inner, () => {});
  expect(wall.leftBehind?.()).toEqual(left);
  inner.leftBehind = () => {
    throw new TypeError("broken");
  };
  expect(wall.leftBehind?.()).toEqual(left);
  expect(containedDriver(createScriptedDriver(), () => {}).leftBehind?.()).toEqual([]);
});
