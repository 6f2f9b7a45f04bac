/**
 * Defaults and limits of a local stack. They are a module of their own, `@bioxen/local-stack/defaults`, because the
 * command line needs them in every call, and the stack itself only in `bioxen up`.
 */
export const DEFAULT_CHASSIS = "ecoli:1,yeast:1";
export const DEFAULT_STACK_TIME_SCALE = 10;
/** Fastest time scale that the agent of a stack accepts, simulated minutes per second. */
export const MAX_STACK_TIME_SCALE = 1_000;
