import { expect, it } from "vitest";
import { parseStreamLimits } from "./stream-limits.ts";

it.each([
  ["1000", { "*": 1_000 }],
  ["10G", { "*": 10 * 2 ** 30 }],
  ["BIOXEN_EVENTS=100GB, *=512m", { BIOXEN_EVENTS: 100 * 2 ** 30, "*": 512 * 2 ** 20 }],
  ["KV_bioxen-leases=1K", { "KV_bioxen-leases": 1_024 }],
])("reads %s", (text, maxBytes) => {
  expect(parseStreamLimits(text)).toEqual({ maxBytes });
});

it.each(["0", "-1", "1.5G", "G", "", "10X", "BIOXEN_EVENTS=", "9999999999T"])(
  "rejects the size in %j",
  (text) => {
    expect(parseStreamLimits(text)).toMatchObject({ problem: expect.stringContaining("is no size") });
  },
);

it("rejects the name of no stream, and names those that exist", () => {
  expect(parseStreamLimits("EVENTS=1G")).toMatchObject({
    problem: expect.stringMatching(/EVENTS is no stream.*BIOXEN_EVENTS/),
  });
});
