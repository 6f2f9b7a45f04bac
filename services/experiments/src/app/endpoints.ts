/**
 * The endpoints of experiments, each with its handler.
 */
import {
  BIOXEN_VERSION,
  DEFAULT_EXPERIMENT_SEED,
  ENDPOINTS,
  type ExperimentState,
  type ExperimentView,
  experimentOf,
  type Handled,
  type ParsedRequestOf,
  type Problem,
  type ResultOf,
  refuse,
  type ServedEndpoint,
  type StartedExperiment,
  type StatePages,
  serve,
  serveChange,
} from "@bioxen/contracts";
import type { Aggregates, Causation, Executed } from "@bioxen/kernel";
import { experimentDecider, noExperiment } from "../domain/experiment.ts";
import type { PlannedExperiments } from "./planned.ts";
import { type Viewed, viewOfExperiment, viewsOfVms } from "./views.ts";

export interface EndpointPorts extends Pick<Viewed, "vmOf" | "waitReasonOf"> {
  readonly experiments: Aggregates<ExperimentState>;
  readonly planned: PlannedExperiments;
  readonly pages: StatePages<ExperimentState>;
}

type Changed = Handled<ResultOf<"experimentStart">>;

export class ExperimentEndpoints {
  readonly #ports: EndpointPorts;

  constructor(ports: EndpointPorts) {
    this.#ports = ports;
  }

  all(): readonly ServedEndpoint[] {
    return [
      serve(ENDPOINTS.experimentStart, (request, causation) => this.start(request, causation)),
      serveChange(ENDPOINTS.experimentCancel, (request, causation) => this.cancel(request, causation)),
      serve(ENDPOINTS.experimentGet, (request, _causation, maxBytes) => this.get(request, maxBytes)),
      serve(ENDPOINTS.experimentList, (request, _causation, maxBytes) => this.list(request, maxBytes)),
    ];
  }

  async start({ file }: ParsedRequestOf<"experimentStart">, causation: Causation): Promise<Changed> {
    const parsed = experimentOf(file);
    if (!parsed.ok) return badFile(parsed.problems);
    const { digest, vmCount, rowsPerVm, file: checked } = parsed.experiment;
    const { experiment: experimentId, seed = DEFAULT_EXPERIMENT_SEED } = checked;
    const started = { file, digest, seed, vmCount, rowsPerVm, bioxenVersion: BIOXEN_VERSION };
    const command = { type: "start", experimentId, started } as const;
    return this.#changed(
      experimentId,
      await this.#ports.experiments.execute(experimentId, causation, (state) =>
        experimentDecider.decide(state, command),
      ),
    );
  }

  async cancel(
    { experimentId }: ParsedRequestOf<"experimentCancel">,
    causation: Causation,
  ): Promise<Changed> {
    return this.#changed(
      experimentId,
      await this.#ports.experiments.execute(experimentId, causation, (state) =>
        experimentDecider.decide(state, { type: "cancel", experimentId }),
      ),
    );
  }

  get(
    request: ParsedRequestOf<"experimentGet">,
    maxBytes: number,
  ): Promise<Handled<ResultOf<"experimentGet">>> {
    const { experimentId } = request;
    return this.#ports.pages.within<ResultOf<"experimentGet">>(request, maxBytes, {
      shape: ENDPOINTS.experimentGet.pages ?? {},
      name: experimentId,
      ids: [experimentId],
      result: ([state]) => {
        if (state?.exists !== true) return noExperiment(experimentId);
        const viewed = this.#viewed(experimentId, state);
        const result = {
          experiment: viewOfExperiment(viewed),
          file: state.file,
          columnSets: state.columnSets.map((columns) => [...columns]),
          vms: viewsOfVms(viewed),
        };
        return { ok: true, result };
      },
    });
  }

  list(
    request: ParsedRequestOf<"experimentList">,
    maxBytes: number,
  ): Promise<Handled<ResultOf<"experimentList">>> {
    return this.#ports.pages.many<ResultOf<"experimentList">>(request, maxBytes, {
      shape: ENDPOINTS.experimentList.pages ?? {},
      empty: { experiments: [], cursor: null },
      fragment: (experimentId, state) => {
        const isListed = state.exists && (request.owner === undefined || state.owner === request.owner);
        return isListed ? { experiments: [this.#view(experimentId, state)], cursor: null } : undefined;
      },
    });
  }

  #changed(experimentId: string, executed: Executed<ExperimentState>): Changed {
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    const { state } = executed.current;
    if (!state.exists) return noExperiment(experimentId);
    return {
      ok: true,
      result: { changed: executed.changed, experiment: this.#view(experimentId, state) },
    };
  }

  #view(experimentId: string, state: StartedExperiment): ExperimentView {
    return viewOfExperiment(this.#viewed(experimentId, state));
  }

  #viewed(experimentId: string, state: StartedExperiment): Viewed {
    const { planned, vmOf, waitReasonOf } = this.#ports;
    return { experimentId, state, experiment: planned.of(state), vmOf, waitReasonOf };
  }
}

function badFile(problems: readonly Problem[]): ReturnType<typeof refuse> {
  const inRequest = problems.map(({ path, message }) => ({
    path: path === "" ? "file" : `file.${path}`,
    message,
  }));
  const message = inRequest.map((problem) => `${problem.path} ${problem.message}`).join("; ");
  return refuse("BAD_REQUEST", message, { details: { problems: inRequest } });
}
