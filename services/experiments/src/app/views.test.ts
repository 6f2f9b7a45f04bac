import { type ExperimentEvent, experimentFold, experimentOf } from "@bioxen/contracts";
import { stateAfter } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { FILE } from "./process.testing.ts";
import { viewOfExperiment } from "./views.ts";

const event = (name: string, data: object = {}) =>
  ({ type: `bioxen.experiment.${name}.v1`, data }) as ExperimentEvent;
const FAILED = [2, 3].map((index) => ({ index, incarnation: 1, reason: `GUEST_ERROR: program ${index}` }));

function viewAfter(...events: ExperimentEvent[]) {
  const parsed = experimentOf(FILE);
  if (!parsed.ok) throw new Error("the file has problems");
  const started = { file: FILE, digest: "a", seed: 1, vmCount: 4, rowsPerVm: 3, bioxenVersion: "0.2.0" };
  const state = stateAfter(experimentFold, [event("started", started), ...events]);
  if (!state.exists) throw new Error("it has not started");
  const { experiment } = parsed;
  const vmOf = () => ({ exists: false }) as never;
  return viewOfExperiment({ experimentId: "x", state, experiment, vmOf, waitReasonOf: () => undefined });
}

it("an experiment with failed VMs says why the first one failed", () => {
  const progressed = event("progressed", { columns: [], recorded: [], failed: FAILED });
  expect(viewAfter().reason).toBeNull();
  expect(viewAfter(progressed, event("finished"))).toMatchObject({
    status: "finished",
    failed: 2,
    reason: "x-3: GUEST_ERROR: program 2",
  });
});
