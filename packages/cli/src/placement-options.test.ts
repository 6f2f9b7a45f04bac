import { Command } from "commander";
import { expect, it } from "vitest";
import {
  type PlacementOptions,
  placementOf,
  taintOption,
  withPlacementOptions,
} from "./placement-options.ts";

function parsed(...args: string[]): PlacementOptions {
  const command = withPlacementOptions(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  return command.parse(args, { from: "user" }).opts();
}

it("converts options to the placement of the contract", () => {
  expect(placementOf(parsed())).toEqual({});
  const options = [
    "--chassis-label",
    "zone=north",
    "--affinity",
    "app=db,tier=1",
    "--affinity",
    "cell-1,cell-2",
  ];
  options.push("--prefer-anti-affinity", "app=web", "--tolerate", "lab=p2:NoSchedule", "--tolerate", "old");
  expect(placementOf(parsed(...options))).toEqual({
    chassisLabels: { zone: "north" },
    affinity: [{ labels: { app: "db", tier: "1" } }, { vmIds: ["cell-1", "cell-2"] }],
    antiAffinity: [{ labels: { app: "web" }, preferred: true }],
    tolerations: [{ key: "lab", value: "p2", effect: "NoSchedule" }, { key: "old" }],
  });
});

it("refuses malformed placement options before a call", () => {
  for (const wrong of [
    ["--affinity", "app=db,cell-1"],
    ["--affinity", ""],
    ["--tolerate", "a:NoExecute"],
    ["--tolerate", "=b"],
  ]) {
    expect(() => parsed(...wrong)).toThrow(/must be/);
  }
  expect(taintOption("lab=p2")).toEqual([{ key: "lab", value: "p2", effect: "NoSchedule" }]);
  expect(taintOption("old:PreferNoSchedule")).toEqual([{ key: "old", effect: "PreferNoSchedule" }]);
});
