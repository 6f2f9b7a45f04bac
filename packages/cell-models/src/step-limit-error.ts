/** Thrown if the solver exceeds its step limit. The cause is the model or its numbers, not the caller. */
export class StepLimitError extends Error {
  readonly code = "SOLVER_STEP_LIMIT";
  /** Never retryable: the solver is deterministic, so the same cell would fail again. */
  readonly retryable = false;
  /** Simulated time from the start of the quantum to the last accepted step, minutes. */
  readonly reachedMinutes: number;
  /** Length of the step that the solver would have tried next, minutes. */
  readonly stepMinutes: number;

  constructor(limit: number, reachedMinutes: number, stepMinutes: number) {
    super(
      `no end of the time quantum within ${limit} steps: at ${reachedMinutes} min with steps of ${stepMinutes} min`,
    );
    this.name = "StepLimitError";
    this.reachedMinutes = reachedMinutes;
    this.stepMinutes = stepMinutes;
  }
}
