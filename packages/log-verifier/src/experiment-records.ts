/**
 * A record of each experiment, to check its events against the documented protocol (docs/experiments.md).
 *
 * An experiment starts once and ends once. Each of its VMs is recorded or has failed at most once, and only while the
 * experiment runs. It is finished when every VM has one of these results.
 */
import type { ExperimentEvent } from "@bioxen/contracts";

interface ExperimentRecord {
  readonly vmCount: number;
  readonly rowsPerVm: number;
  phase: "running" | "cancelling" | "failing" | "ended";
  readonly settled: Set<number>;
}

export class ExperimentRecords {
  readonly #records = new Map<string, ExperimentRecord>();

  /** Applies the event and returns one sentence for each rule that it violates. */
  observe(experimentId: string, body: ExperimentEvent): string[] {
    const record = this.#records.get(experimentId);
    if (body.type === "bioxen.experiment.started.v1") {
      if (record !== undefined) return ["it was started before"];
      const { vmCount, rowsPerVm } = body.data;
      this.#records.set(experimentId, { vmCount, rowsPerVm, phase: "running", settled: new Set() });
      return [];
    }
    if (record === undefined) return [`${body.type} of an experiment that was never started`];
    const before = record.phase;
    const only = (phase: ExperimentRecord["phase"]) =>
      before === phase ? [] : [`${body.type} while the experiment is ${before}`];
    switch (body.type) {
      case "bioxen.experiment.progressed.v1":
        return [...only("running"), ...progress(record, body.data)];
      case "bioxen.experiment.cancel-requested.v1":
        record.phase = "cancelling";
        return only("running");
      case "bioxen.experiment.given-up.v1":
        record.phase = "failing";
        return only("running");
      case "bioxen.experiment.cancelled.v1":
        record.phase = "ended";
        return only("cancelling");
      case "bioxen.experiment.failed.v1":
        record.phase = "ended";
        return only("failing");
      case "bioxen.experiment.finished.v1": {
        record.phase = "ended";
        const missing = record.vmCount - record.settled.size;
        return [...only("running"), ...(missing === 0 ? [] : [`${missing} VMs have no result`])];
      }
    }
  }
}

type Progress = Extract<ExperimentEvent, { readonly type: "bioxen.experiment.progressed.v1" }>["data"];

function progress(
  { vmCount, rowsPerVm, settled }: ExperimentRecord,
  { columns, recorded, failed }: Progress,
) {
  const problems: string[] = [];
  if (recorded.length + failed.length === 0) problems.push("it names no VM");
  for (const { index, rowCount, values } of recorded) {
    if (rowCount !== rowsPerVm) problems.push(`VM ${index + 1} has ${rowCount} rows, not ${rowsPerVm}`);
    if (values.length !== columns.length) problems.push(`VM ${index + 1} lacks the value of a column`);
  }
  for (const { index } of [...recorded, ...failed]) {
    if (index >= vmCount) problems.push(`it has no VM ${index + 1}`);
    if (settled.has(index)) problems.push(`VM ${index + 1} has a second result`);
    settled.add(index);
  }
  return problems;
}
