import { type QuotaEvent, type QuotaState, quotaFold } from "@bioxen/contracts";
import { given } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { charged, ENFORCED, set } from "../domain/quota.testing.ts";
import { quotaDecider } from "../domain/quota.ts";
import { QuotaMeasurements } from "./quota-measurements.ts";

const stateOf = (...events: QuotaEvent[]): QuotaState => given(quotaDecider, ...events).state;

it("measures the limit of each limited resource and what is charged to it, also after a change", () => {
  const states = new Map<string, QuotaState>();
  const entries = function* () {
    for (const [id, state] of states) yield [id, { state }] as never;
  };
  const measurements = new QuotaMeasurements({ entries });
  const values = () =>
    measurements
      .measure()
      .map(({ metric, values: all }) => [
        metric,
        ...all.map(({ labels, value }) => `${labels?.["quota"]} ${labels?.["resource"]} ${value}`),
      ]);
  expect(values()).toEqual([["bioxen_quota_limit"], ["bioxen_quota_used"]]);
  const limits = set({ ribosomes: 100, rnaPolymerases: 0 });
  states.set("none", quotaFold.initial);
  states.set("team", stateOf(limits, ENFORCED, charged("c1", 5, "a", 30), charged("c2", 6, "b", 40)));
  const limited = ["bioxen_quota_limit", "team ribosomes 100", "team rnaPolymerases 0"];
  expect(values()).toEqual([limited, ["bioxen_quota_used", "team ribosomes 70", "team rnaPolymerases 0"]]);
  expect(values()).toEqual([limited, ["bioxen_quota_used", "team ribosomes 70", "team rnaPolymerases 0"]]);
  // A VM that moves is charged on two chassis, and counts once.
  states.set("team", stateOf(limits, ENFORCED, charged("c1", 5, "a", 30), charged("c2", 6, "a", 40)));
  expect(values()).toEqual([limited, ["bioxen_quota_used", "team ribosomes 40", "team rnaPolymerases 0"]]);
});
