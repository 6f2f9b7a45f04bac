/**
 * Limits of programs in machines, each with its reason.
 */

/**
 * Maximum size of a program, bytes. It is the limit of BioXen's public protocol, and half of Linux's limit for one
 * argument (128 KiB).
 */
export const MAX_SOURCE_BYTES = 65_536;
/** Maximum duration of a program, ms. It is the limit of BioXen's public protocol. */
export const MAX_PROGRAM_TIMEOUT_MS = 60_000;
/**
 * Maximum size of a program's standard output in a reply, and of its standard error, bytes each. The excess is dropped
 * and marked, so that both fit in a reply.
 */
export const MAX_OUTPUT_BYTES = 65_536;

/**
 * Time that an answer may take beyond the program's deadline, ms. The lifecycle service waits until 5 s after that
 * deadline, and must learn by then whether the program was run. The margin covers the lookup of the machine, the start
 * of its login shell and the report that the deadline was enforced.
 */
export const ANSWER_MARGIN_MS = 4_500;
/**
 * Maximum time until a program has started, ms. It is part of {@link ANSWER_MARGIN_MS}; the rest of that margin is for
 * the machine's report at the deadline.
 */
export const MAX_CONNECT_TIMEOUT_MS = 3_500;
export const DEFAULT_CONNECT_TIMEOUT_MS = 2_500;
/**
 * How long a channel waits for more output after the program's exit, ms. A background process can keep the channel
 * open.
 */
export const DRAIN_MS = 300;

/**
 * Maximum number of programs that run at once in one machine. OpenSSH accepts 10 sessions per connection by default.
 */
export const MAX_PROGRAMS_PER_MACHINE = 8;
/** Maximum number of SSH connections that one agent has open at once. Each takes a file descriptor and about 100 KB. */
export const MAX_CONNECTIONS = 64;
/** How long an unused connection stays open for the next program, ms. */
export const IDLE_MS = 30_000;
/** Interval of keepalives on a connection, ms. */
export const KEEPALIVE_INTERVAL_MS = 5_000;
/** Number of unanswered keepalives after which a connection is closed. */
export const KEEPALIVE_MISSES = 2;
