/** The messages between the agent's thread and a thread that computes cells. */
import {
  DriverError,
  type DriverErrorCode,
  type GuestEvent,
  type GuestSample,
  type GuestStatus,
} from "@bioxen/vm-driver";
import type { BasicDriver } from "./basic-driver-options.ts";
import type { CellBudgets } from "./limits.ts";
import type { SampleRow } from "./sample-row.ts";

/** The methods of a driver that a thread runs for one guest; each takes the id of the VM, or a spec with it, first. */
export type CellCall = Extract<
  keyof BasicDriver,
  | "start"
  | "restart"
  | "pause"
  | "resume"
  | "stop"
  | "resize"
  | "setEnvironment"
  | "hold"
  | "change"
  | "exec"
  | "snapshot"
  | "daughter"
  | "daughterTaken"
>;
/** What a call resolves with. */
export type CellResult<Call extends CellCall> = Awaited<ReturnType<NonNullable<BasicDriver[Call]>>>;
export type CellArguments<Call extends CellCall> = Parameters<NonNullable<BasicDriver[Call]>>;

export interface CellThreadData {
  readonly timeScaleMinutesPerSecond: number;
  readonly budgets: CellBudgets;
  /** URL of the module whose `cellModel` the thread computes; absent: the thread computes the built-in model. */
  readonly modelUrl?: string | undefined;
}

export type ToCellThread =
  | {
      readonly kind: "call";
      readonly call: number;
      readonly method: CellCall;
      readonly vmId: string;
      readonly args: readonly unknown[];
    }
  | { readonly kind: "tick"; readonly elapsedMs: number; readonly onlyAtRate: boolean }
  /** The thread ends its guests and then itself. */
  | { readonly kind: "end" };

/** A guest at the moment of a message; without `status` it is not there. */
export interface GuestNow {
  readonly status?: GuestStatus | undefined;
  readonly sample?: SampleRow | undefined;
  /** The outputs of the sample, if it has some. */
  readonly outputs?: Outputs;
}

/** The outputs of a sample; undefined: it has none. */
export type Outputs = GuestSample["outputs"];

export type FromCellThread =
  | {
      readonly kind: "answer";
      readonly call: number;
      readonly vmId: string;
      readonly guest: GuestNow;
      readonly result?: unknown;
      readonly error?: SentError;
    }
  /** `guest` is present if the event can come with another state of the guest. */
  | { readonly kind: "event"; readonly event: GuestEvent; readonly guest?: GuestNow }
  /** One row for each guest whose sample has changed, in the order of `vmIds`; `outputs` by VM id, of those that have some. */
  | {
      readonly kind: "samples";
      readonly vmIds: readonly string[];
      readonly samples: Float64Array;
      readonly outputs?: Readonly<Record<string, Outputs>> | undefined;
    }
  /** The tick is over. */
  | { readonly kind: "ticked" };

/** What is sent at once: all messages of one turn of the event loop, in their order. */
export type Packet = readonly FromCellThread[];

/** A rejection of a driver as data. Without a code it is an error of the program. */
export interface SentError {
  readonly code?: DriverErrorCode;
  readonly message: string;
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

export function sentError(thrown: unknown): SentError {
  if (!(thrown instanceof DriverError)) {
    return { message: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) };
  }
  const { code, message, retryable, details } = thrown;
  return { code, message, retryable, details };
}

export function receivedError({ code, message, retryable, details }: SentError): Error {
  if (code === undefined) return new Error(message);
  return new DriverError(code, message, {
    ...(retryable === undefined ? {} : { retryable }),
    ...(details === undefined ? {} : { details }),
  });
}

/** Returns the method of the driver, which is there for every {@link CellCall}. */
export function callOf(
  driver: BasicDriver,
  method: CellCall,
): (...args: readonly unknown[]) => Promise<unknown> {
  const body = driver[method] as ((...args: unknown[]) => Promise<unknown>) | undefined;
  if (body === undefined) throw new TypeError(`the driver has no ${method}`);
  return (...args) => body.apply(driver, [...args]);
}
