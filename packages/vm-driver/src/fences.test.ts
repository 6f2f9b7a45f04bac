import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { driverErrorCode } from "./driver-error.ts";
import { Fences, MAX_REMEMBERED_STOPS } from "./fences.ts";

function codeOf(call: () => unknown): string {
  try {
    return String(call());
  } catch (error) {
    return driverErrorCode(error) ?? String(error);
  }
}

describe("fences", () => {
  it("forgets the oldest stop, not the newest, at the limit of remembered stops", () => {
    const fences = new Fences();
    for (let n = 0; n <= MAX_REMEMBERED_STOPS; n += 1) fences.stop(`vm-${n}`, 7, undefined);
    expect(codeOf(() => fences.start("vm-0", 7, undefined))).toBe("new");
    expect(codeOf(() => fences.start(`vm-${MAX_REMEMBERED_STOPS}`, 7, undefined))).toBe("STALE_FENCE");
  });

  it("rejects a fence that is not a stream sequence", () => {
    for (const fence of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(codeOf(() => new Fences().start("vm", fence, undefined))).toBe("BAD_REQUEST");
    }
  });

  it("in any order of starts and stops, the fence of the present guest never decreases", () => {
    const call = fc.record({ verb: fc.constantFrom("start", "stop"), fence: fc.integer({ min: 1, max: 6 }) });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 30 }), (calls) => {
        const fences = new Fences();
        let held: number | undefined;
        let newest = 0;
        for (const { verb, fence } of calls) {
          const before = held;
          const outcome = codeOf(() =>
            verb === "start" ? fences.start("vm", fence, before) : fences.stop("vm", fence, before),
          );
          if (outcome === "STALE_FENCE") continue;
          held = verb === "start" ? fence : undefined;
          expect(fence).toBeGreaterThanOrEqual(before ?? 0);
          if (verb === "start" && before === undefined) expect(fence).toBeGreaterThan(newest);
          if (verb === "stop" || before !== undefined) newest = Math.max(newest, before ?? 0);
          if (verb === "stop") newest = Math.max(newest, fence);
        }
      }),
    );
  });
});
