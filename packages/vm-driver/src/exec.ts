/** The part of the driver port about programs that run in a guest. */
import type { ProgramPlace } from "./changes.ts";

export interface ExecOutcome {
  /** The JSON value that the executed source returned. */
  readonly result: unknown;
  /** The text that the source printed. The driver limits its length. */
  readonly stdout: string;
  /** Number of instructions that the source executed, by the driver's own measure. */
  readonly instructions: number;
  /** Simulated minute at which it ran; absent: unknown. Errors of the source have it in `details`. */
  readonly simMinute?: number | undefined;
  /**
   * Where a guest that continues from an earlier checkpoint must run it again; absent: nowhere, because it ran on a copy or
   * its effects were undone, or because the driver has no such guests. Errors of the source have it in `details`.
   */
  readonly again?: ProgramPlace | undefined;
}

export interface ExecOptions {
  /** Time limit, ms: 1 to `DriverCapabilities.maxExecTimeoutMs`; any other value is `BAD_REQUEST`. */
  readonly timeoutMs: number;
  /**
   * Whether the source is shell also where the guest runs Lua; default: the guest's own language
   * (`GuestCapabilities.language`). `UNSUPPORTED` where `GuestCapabilities.shell` is false.
   */
  readonly shell?: boolean | undefined;
  /** Whether the source runs on a copy, so that the guest stays unchanged; `UNSUPPORTED` without copies. */
  readonly readOnly?: boolean | undefined;
}
