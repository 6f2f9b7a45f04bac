import { containedPolicy, type Fit, type PlacementPolicy } from "@bioxen/placement";
import { expect, it, vi } from "vitest";
import { policyOf } from "./policy-of.ts";

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() } as never;
const fit = { vm: { vmId: "v1" }, chassis: { chassisId: "c1" } } as Fit;

it("is a built-in one by name, or a package's", async () => {
  expect(await policyOf("spread", logger)).toMatchObject({ name: "spread", version: 1 });
  const ours = await policyOf("@bioxen-examples/placement-policy", logger);
  expect(ours).toMatchObject({ name: "three-quarters", version: 1 });
});

it("what is none is the configuration's error, in words", async () => {
  await expect(policyOf("worst-fit", logger)).rejects.toThrow(
    /built in are bin-pack, spread.*no such package/s,
  );
  await expect(policyOf("@bioxen-examples/jcvi-bridge", logger)).rejects.toThrow(
    /exports no placementPolicy/,
  );
});

it.each<[string, PlacementPolicy["score"]]>([
  [
    "throws",
    () => {
      throw new Error("no idea");
    },
  ],
  ["answers no number", () => Number.NaN],
  ["answers too much", () => 1_001],
])("a chassis that a policy cannot score comes last: it %s", (_what, score) => {
  const troubles: string[] = [];
  const contained = containedPolicy({ name: "odd", version: 1, score, bound: () => -1 }, (message) =>
    troubles.push(message),
  );
  expect(contained.score(fit)).toBe(0);
  expect(contained.bound?.(0, 1_000)).toBe(1_000);
  expect(troubles).toHaveLength(2);
  expect(troubles[0]).toContain("v1 on c1");
});
