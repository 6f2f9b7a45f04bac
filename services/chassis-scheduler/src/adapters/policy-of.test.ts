import { containedPolicy, type Fit, type PlacementPolicy } from "@bioxen/placement";
import { expect, it, vi } from "vitest";
import { policyOf } from "./policy-of.ts";

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() } as never;
const fit = { vm: { vmId: "v1" }, chassis: { chassisId: "c1" } } as Fit;

it("loads a built-in policy by name, or the policy of a package", async () => {
  expect(await policyOf("spread", logger)).toMatchObject({ name: "spread", version: 1 });
  const ours = await policyOf("@bioxen-examples/placement-policy", logger);
  expect(ours).toMatchObject({ name: "three-quarters", version: 1 });
});

it("rejects a missing package and a package without a policy as a configuration error", async () => {
  await expect(policyOf("worst-fit", logger)).rejects.toThrow(
    /built in are bin-pack, spread.*package not found/s,
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
  ["returns no number", () => Number.NaN],
  ["returns more than the full score", () => 1_001],
])("a chassis gets score 0 when the policy %s", (_what, score) => {
  const failures: string[] = [];
  const contained = containedPolicy({ name: "odd", version: 1, score, bound: () => -1 }, (message) =>
    failures.push(message),
  );
  expect(contained.score(fit)).toBe(0);
  expect(contained.bound?.(0, 1_000)).toBe(1_000);
  expect(failures).toHaveLength(2);
  expect(failures[0]).toContain("v1 on c1");
});
