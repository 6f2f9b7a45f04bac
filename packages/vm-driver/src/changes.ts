/**
 * The part of the driver port about changes of a guest at minutes of its simulated time.
 *
 * The agent asks for a minute, the log records the change with this minute, and the driver lets it act there.
 */

/** The place of a program of a user among everything that acts on a guest at one minute of its simulated time. */
export interface ProgramPlace {
  /** How many programs of users had run at this minute before it. */
  readonly nth: number;
  /** The number of the newest change that had acted at this minute before it; 0: none. */
  readonly afterSeq: number;
  /** After how many instructions its limit of time ended the program; absent: that limit did not end it. */
  readonly instructions?: number | undefined;
}

/** A change of a guest at a minute of its simulated time. */
export interface GuestChange {
  /** The number of the change; a newer change of the same VM has a larger number. Those of its schedule are negative. */
  readonly seq: number;
  readonly simMinute: number;
  /** The fields of the environment that change; absent: none. */
  readonly environment?: Readonly<Record<string, number>> | undefined;
  /** The whole allocation from this minute on; absent: it stays. */
  readonly allocation?: Readonly<Record<string, number>> | undefined;
  /**
   * A program that an earlier guest of the VM ran at this minute, and that runs again; absent: none. A guest that has run
   * it at this place ignores it.
   */
  readonly program?: (ProgramPlace & { readonly source: string }) | undefined;
}

export interface ResizeOptions {
  /** Whether the changes of the allocation that the guest has got for coming minutes no longer act. Default false. */
  readonly endsChanges?: boolean | undefined;
}

export interface HoldOptions {
  /** The simulated minute; default: the present one. */
  readonly atMinute?: number | undefined;
  readonly forMs: number;
}

export interface ChangesAtMinutes {
  /**
   * Keeps a running or paused guest at its present minute, or at `atMinute` once it has reached it, until the change of
   * this minute arrives ({@link change}), at most `forMs` ms. Returns the minute. Absent if the driver's guests have no
   * changes at minutes.
   *
   * Rejects with the errors of `pause`, with `BAD_REQUEST` if the guest is beyond `atMinute`, and with a retryable
   * `UNAVAILABLE` if the guest is too busy.
   */
  readonly hold?:
    | ((vmId: string, fence: number, options: HoldOptions) => Promise<{ readonly simMinute: number }>)
    | undefined;

  /**
   * Lets a change act on the guest when it reaches the minute of the change; at once if it is there. A change that the
   * guest has already got is ignored. Present with `hold`.
   *
   * Rejects with the errors of `pause`, and with `INVALID_STATE` if the guest is beyond that minute, or beyond the place
   * of a program at this minute.
   */
  readonly change?: ((vmId: string, fence: number, change: GuestChange) => Promise<void>) | undefined;
}
