import type { Logger } from "@bioxen/kernel";
import { expect, it } from "vitest";
import { Refusals } from "./refusals.ts";

function audit() {
  const lines: string[] = [];
  const ignore = () => undefined;
  const logger: Logger = {
    debug: ignore,
    info: ignore,
    error: ignore,
    warn: (_fields, message) => void lines.push(message),
  };
  const world = { nowMs: 0, lines };
  return { world, refusals: new Refusals(logger, () => world.nowMs) };
}

const of = (principal: string, code: "FORBIDDEN" | "RATE_LIMITED") => ({
  principal,
  code,
  subject: "bioxen.cmd.vm.start",
});

it("counts every refusal, and logs one line a minute for each principal and code", () => {
  const { world, refusals } = audit();
  for (let i = 0; i < 1_000; i += 1) {
    world.nowMs += 100;
    refusals.note(of("alice", "FORBIDDEN"));
  }
  refusals.note(of("alice", "RATE_LIMITED"));
  refusals.note(of("bob", "FORBIDDEN"));
  expect(world.lines).toEqual([
    "refused 1 requests of alice with FORBIDDEN",
    "refused 600 requests of alice with FORBIDDEN",
    "refused 1 requests of alice with RATE_LIMITED",
    "refused 1 requests of bob with FORBIDDEN",
  ]);
  expect(refusals.measure()).toEqual([
    {
      metric: "bioxen_principal_refusals_total",
      values: [
        { value: 1_000, labels: { principal: "alice", code: "FORBIDDEN" } },
        { value: 1, labels: { principal: "alice", code: "RATE_LIMITED" } },
        { value: 1, labels: { principal: "bob", code: "FORBIDDEN" } },
        { value: 0, labels: { principal: "bob", code: "RATE_LIMITED" } },
      ],
    },
  ]);
});

it("keeps a bounded number of principals, and counts the others together", () => {
  const { world, refusals } = audit();
  for (let i = 0; i < 5_000; i += 1) refusals.note(of(`p-${i}`, "FORBIDDEN"));
  const values = refusals
    .measure()
    .flatMap((measurement) => ("values" in measurement ? measurement.values : []));
  expect(new Set(values.map(({ labels }) => labels?.["principal"])).size).toBe(101);
  expect(values.reduce((sum, { value }) => sum + value, 0)).toBe(5_000);
  expect(world.lines).toHaveLength(101);
});
