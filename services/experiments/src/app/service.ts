/**
 * The experiments service. It owns the stream of every experiment, answers commands and queries, and runs the
 * experiments.
 */
import {
  type ExperimentState,
  experimentFold,
  type Owners,
  ownersIn,
  StatePages,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import { Aggregates, type EventFeed, type Lease, ReadModel, type ServicePorts } from "@bioxen/kernel";
import { ExperimentEndpoints } from "./endpoints.ts";
import { PlannedExperiments } from "./planned.ts";
import { ExperimentProcess } from "./process.ts";

export function createExperiments(ports: ServicePorts) {
  const { log, clock, ids, leases } = ports;
  const source = "/bioxen/experiments";
  const fold = experimentFold;
  const experiments = new Aggregates<ExperimentState>({ kind: "experiment", fold, log, clock, ids, source });
  const vms = new ReadModel<VmState>("vm", vmFold);
  const planned = new PlannedExperiments();
  let feed: EventFeed | undefined;
  const applied = async (seq: number) => feed?.applied(seq);
  const appliedSeq = () => feed?.appliedSeq ?? 0;
  let lease: Lease | undefined;
  const acts = () => lease?.token() !== undefined;
  const process = new ExperimentProcess({ experiments, vms, planned, acts }, ports);
  const vmOf = (vmId: string) => vms.get(vmId);
  const endpoints = new ExperimentEndpoints({
    experiments,
    planned,
    pages: new StatePages({ states: experiments, log, appliedSeq, applied }),
    vmOf,
    waitReasonOf: (vmId) => process.waitReasonOf(vmId),
  });
  return {
    sinks: [experiments, vms],
    endpoints: endpoints.all(),
    owners: ownersOf(experiments, vmOf),
    begin(live: EventFeed) {
      feed = live;
      process.begin(live);
      lease = leases.contend("experiments", {
        onHeld: () => process.takeOver(),
        onLost: () => undefined,
      });
    },
    async end() {
      await process.end();
      await lease?.release();
    },
  };
}

/**
 * Returns the owners of VMs and of experiments. The question of an experiment reads its newest events, because another
 * instance may have started it.
 */
function ownersOf(experiments: Aggregates<ExperimentState>, vmOf: (vmId: string) => VmState): Owners {
  return {
    ...ownersIn(vmOf),
    async experimentOwnerOf(experimentId) {
      const { state } = await experiments.refresh(experimentId);
      return state.exists ? state.owner : undefined;
    },
  };
}
