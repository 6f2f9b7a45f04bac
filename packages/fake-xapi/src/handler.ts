/**
 * The type of a method's implementation; `methods.ts` and `vm-methods.ts` both define tables of such implementations.
 */

export interface Call {
  readonly session: string;
  /** Aborted when the task is cancelled; undefined for a call without a task. */
  readonly signal?: AbortSignal | undefined;
  /** Sets the progress of the task, a fraction from 0 to 1; undefined for a call without a task. */
  readonly onProgress?: ((progress: number) => void) | undefined;
}

/** Implements a method. Its arguments have passed `checkArguments`. */
// biome-ignore lint/suspicious/noExplicitAny: each handler names the types of its signature.
export type Handler = (call: Call, ...args: any[]) => unknown;
