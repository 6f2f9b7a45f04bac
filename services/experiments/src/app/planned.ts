/**
 * The meaning of the files of started experiments: their VMs by number, and back from the id of a VM.
 */
import {
  type Experiment,
  type ExperimentFile,
  type ExperimentState,
  plannedExperiment,
  type StartedExperiment,
} from "@bioxen/contracts";
import type { OwnVm } from "../domain/vm-work.ts";

/** Maximum number of files whose meaning is kept. Reading one again takes milliseconds; it has at most 512 kB. */
const MAX_KEPT = 64;

export class PlannedExperiments {
  /** By digest of the file, the most recently used last. */
  readonly #kept = new Map<string, Experiment>();

  of({ file, digest }: Pick<StartedExperiment, "file" | "digest">): Experiment {
    // The file was checked before the experiment was started.
    const planned = this.#kept.get(digest) ?? plannedExperiment(file as ExperimentFile);
    this.#kept.delete(digest);
    this.#kept.set(digest, planned);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(oldest);
    }
    return planned;
  }

  vm(experimentId: string, state: StartedExperiment, index: number): OwnVm {
    const { vmId, seed } = this.of(state).vm(index);
    return { experimentId, index, vmId, seed };
  }

  /** Returns the VM of an experiment that has the id; undefined for an id of no experiment. */
  find(
    vmId: string,
    stateOf: (experimentId: string) => ExperimentState,
  ): { readonly own: OwnVm; readonly state: StartedExperiment } | undefined {
    const dash = vmId.lastIndexOf("-");
    const number = vmId.slice(dash + 1);
    if (dash < 1 || !/^[0-9]{1,5}$/.test(number)) return undefined;
    const experimentId = vmId.slice(0, dash);
    const state = stateOf(experimentId);
    const index = Number(number) - 1;
    if (!state.exists || index < 0 || index >= state.vmCount) return undefined;
    const own = this.vm(experimentId, state, index);
    return own.vmId === vmId ? { own, state } : undefined;
  }
}
