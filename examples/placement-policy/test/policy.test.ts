import { placementPolicyContract } from "@bioxen/testkit/extensions";
import { expect, it } from "vitest";
import { placementPolicy } from "../src/index.ts";

placementPolicyContract(placementPolicy);

it("likes a chassis that becomes three quarters full best", () => {
  const scoreAt = (full: number) =>
    placementPolicy.score({
      resources: ["ribosomes"],
      asked: () => 1,
      free: () => 1_001 - full,
      offered: () => 1_000,
    } as unknown as Parameters<typeof placementPolicy.score>[0]);
  expect([100, 750, 751, 1_000].map(scoreAt)).toEqual([350, 1_000, 249, 0]);
});
