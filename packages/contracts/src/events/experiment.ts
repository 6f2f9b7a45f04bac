/**
 * The events of an experiment: it starts, its VMs are recorded, and it is finished, cancelled or has failed.
 *
 * The life of each VM is in the VM's own events. These events have what is known of the experiment as a whole: the file,
 * and the result of each VM. A course is data and may be gone one day; the result of a VM stays, with the digest of its
 * course. One event records many VMs, and never repeats an earlier result.
 */
import * as z from "zod";
import { courseColumn } from "../courses.ts";
import { anyJson } from "../schemas.ts";

/** Maximum number of VMs that one event names. With all fields of a cell, such an event has about 60 kB. */
export const MAX_RECORDED_PER_EVENT = 50;

const recordedVm = z.object({
  /** Number of the VM in the experiment, from 0. */
  index: z.int().min(0),
  incarnation: z.int().min(1),
  /** Number of rows of the course. */
  rowCount: z.int().min(1),
  /** SHA-256 of the rows of the course, hexadecimal. */
  digest: z.string(),
  /** The values of the last row, one for each column. */
  values: z.array(z.number().nullable()),
});

const failedVm = z.object({
  index: z.int().min(0),
  incarnation: z.int().min(1),
  reason: z.string(),
});

export const EXPERIMENT_EVENTS = {
  /** The experiment runs from here on. Everything about its VMs follows from the file. */
  "bioxen.experiment.started.v1": z.object({
    /** The experiment file, as its author wrote it. */
    file: z.record(z.string(), anyJson),
    /** SHA-256 of the canonical JSON of the file, hexadecimal. */
    digest: z.string(),
    /** The seed from which those of the VMs are derived, also when the file names none. */
    seed: z.int().min(0),
    vmCount: z.int().min(1),
    rowsPerVm: z.int().min(1),
    /** Release of BioXen that checked the file. */
    bioxenVersion: z.string(),
  }),
  /** The VMs in `recorded` have a complete course. The VMs in `failed` will have none. */
  "bioxen.experiment.progressed.v1": z.object({
    /** The columns of `values`. All VMs of one event have the same columns. */
    columns: z.array(courseColumn),
    recorded: z.array(recordedVm),
    failed: z.array(failedVm),
  }),
  /** A caller cancelled the experiment. Its VMs are destroyed next. */
  "bioxen.experiment.cancel-requested.v1": z.object({}),
  /** No VM of the cancelled experiment is left. */
  "bioxen.experiment.cancelled.v1": z.object({}),
  /** The experiment cannot go on. Its VMs are destroyed next. */
  "bioxen.experiment.given-up.v1": z.object({ reason: z.string() }),
  /** No VM of the experiment that was given up is left. */
  "bioxen.experiment.failed.v1": z.object({}),
  /** Each VM is recorded or has failed, and is destroyed unless the file keeps it. */
  "bioxen.experiment.finished.v1": z.object({}),
} as const;

export type ExperimentEvent = {
  [T in keyof typeof EXPERIMENT_EVENTS]: {
    readonly type: T;
    readonly data: z.infer<(typeof EXPERIMENT_EVENTS)[T]>;
  };
}[keyof typeof EXPERIMENT_EVENTS];
