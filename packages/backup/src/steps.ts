/**
 * Progress of a backup, verification or restore. `what` names the present step, `done` counts its messages, and `of` is
 * their number where it is known.
 */
export type StepListener = (step: {
  readonly what: string;
  readonly done: number;
  readonly of?: number | undefined;
}) => void;
