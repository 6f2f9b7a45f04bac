/**
 * Failures outside of this process, and bugs inside of it.
 *
 * A refusal is a value (see rejection.ts). A `Fault` is a failure outside: a server is unreachable, or a deadline has
 * passed. A fault says whether a retry can help. A broken invariant is a bug: the process exits, and its restart
 * replays the log.
 */
export type FaultCode =
  | "UNAVAILABLE"
  | "TIMEOUT"
  | "CONFLICT"
  | "CORRUPT_EVENT"
  | "BAD_REQUEST"
  | "TOO_LARGE"
  | "INTERNAL"
  | "FORBIDDEN";

/** Marks faults. It is the same symbol in every copy of this module. */
const FAULT = Symbol.for("bioxen.fault");

export class Fault extends Error {
  readonly [FAULT] = true;
  readonly code: FaultCode;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: FaultCode,
    message: string,
    options: { retryable: boolean; cause?: unknown; details?: Readonly<Record<string, unknown>> },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Fault";
    this.code = code;
    this.retryable = options.retryable;
    this.details = options.details ?? {};
  }

  /**
   * Also recognises a fault of another copy of this module: the packed `bioxen` command contains one, and the stack that
   * it starts loads another.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // A subclass inherits this method, and its instances differ by their class.
    // biome-ignore lint/complexity/noThisInStatic: only `this` tells the subclass from this class.
    const { prototype } = this;
    if (prototype !== Fault.prototype) {
      return (
        typeof value === "object" && value !== null && Object.prototype.isPrototypeOf.call(prototype, value)
      );
    }
    return typeof value === "object" && value !== null && FAULT in value;
  }
}

export class InvariantViolation extends Error {
  readonly context: unknown;
  constructor(message: string, context: unknown) {
    super(`invariant broken: ${message}`);
    this.name = "InvariantViolation";
    this.context = context;
  }
}

/**
 * Throws {@link InvariantViolation} when `holds` is false. Use it only to detect bugs of this process, never for a
 * caller's invalid input.
 */
export function invariant(holds: boolean, message: string, context?: unknown): asserts holds {
  if (!holds) throw new InvariantViolation(message, context);
}

/** Returns the message of any thrown value. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
