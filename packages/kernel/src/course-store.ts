/**
 * The store of time courses: batches of rows that agents recorded of their guests. Courses are data and no state: no
 * decision depends on them.
 *
 * Each guest that records is a run, and its batches follow one another in minutes. A guest that continues from a
 * checkpoint is a further run of the same branch: it computes the minutes after the checkpoint again. A batch never
 * changes, so that a put may be repeated.
 */

/** The course of one incarnation of a VM. */
export interface CourseName {
  readonly vmId: string;
  readonly incarnation: number;
}

/** The name of one batch; it stands for one content only. */
export interface CourseBatchName extends CourseName {
  /** The agent that recorded the batch. No other agent can write under its id. */
  readonly agentId: string;
  /** How often the cell went back before: restored, or begun again after its end. */
  readonly branch: number;
  /** Number of the run within the branch: 1, 2, 3 …; a later run has a larger number. */
  readonly run: number;
  /** Minute of the first row. */
  readonly firstMinute: number;
}

/** Largest batch, bytes: with its headers it fits the server's default limit of 1 MiB for a message. */
export const MAX_COURSE_BATCH_BYTES = 786_432;

/** Every method throws `Fault` UNAVAILABLE (retryable) when the store is unreachable within the adapter's deadline. */
export interface CourseStore {
  /** Stores the batch. Also throws `Fault` TOO_LARGE above {@link MAX_COURSE_BATCH_BYTES}. */
  put(name: CourseBatchName, bytes: Uint8Array): Promise<void>;
  /** Returns the content of the batch; undefined when it is absent. */
  get(name: CourseBatchName): Promise<Uint8Array | undefined>;
  /** Returns the names of all batches of a course, unsorted. */
  batches(course: CourseName): Promise<readonly CourseBatchName[]>;
  /** Returns every course that has a batch, unsorted. */
  courses(): Promise<readonly CourseName[]>;
  /** Deletes all batches of a course. Idempotent. */
  delete(course: CourseName): Promise<void>;
}
