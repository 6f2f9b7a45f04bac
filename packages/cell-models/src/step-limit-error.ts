/** The solver gave up: more steps than any sane cell needs. A fault of the model or of its numbers, not of the caller. */
export class StepLimitError extends Error {
  readonly code = "SOLVER_STEP_LIMIT";
  /** The same cell would fail again: the solver is deterministic. */
  readonly retryable = false;
  /** Simulated minutes into the quantum, and the step it was down to. */
  readonly reachedMinutes: number;
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
