/** The states that the steps of experiments and of their VMs depend on. */
import type { ExperimentState, VmState } from "@bioxen/contracts";
import type { Aggregates, ReadModel } from "@bioxen/kernel";
import type { PlannedExperiments } from "./planned.ts";

export interface ExperimentWorld {
  readonly experiments: Aggregates<ExperimentState>;
  readonly vms: ReadModel<VmState>;
  readonly planned: PlannedExperiments;
  /** True while this instance holds the lease. */
  readonly acts: () => boolean;
}
