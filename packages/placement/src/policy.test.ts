import { expect, it } from "vitest";
import { checkedScore, type Fit, fullnessWith } from "./policy.ts";

const fit = (asked: number[]): Fit =>
  ({
    resources: ["dnaKilobases", "ribosomes"],
    asked: (r: number) => asked[r],
    free: (r: number) => [100, 10][r],
    offered: (r: number) => [100, 20][r],
    vm: { vmId: "x" },
    chassis: { chassisId: "a" },
  }) as unknown as Fit;

it("fullness is that of the tightest resource that the VM requests", () => {
  expect(fullnessWith(fit([0, 10]))).toBe(1_000);
  expect(fullnessWith(fit([0, 1]))).toBe(550);
  expect(fullnessWith(fit([70, 1]))).toBe(700);
  expect(fullnessWith(fit([0, 0]))).toBe(0);
});

it.each([Number.NaN, 0.5, -1, 1_001])("a score of %s throws an error that names the policy", (score) => {
  const policy = { name: "odd", version: 3, score: () => score };
  expect(() => checkedScore(policy, fit([0, 1]))).toThrow(/policy odd 3 returned the score .* for x on a/);
});
