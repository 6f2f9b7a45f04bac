/**
 * Bounds of programs in machines, each with its reason.
 */

/** Bytes of one program: what the contract lets through, and half of what Linux takes as one argument. */
export const MAX_SOURCE_BYTES = 65_536;
/** Longest a program may take, ms: what the contract lets through. */
export const MAX_PROGRAM_TIMEOUT_MS = 60_000;
/** Bytes kept of standard output, and of standard error. More is read and dropped, with a mark: both must fit in a reply. */
export const MAX_OUTPUT_BYTES = 65_536;

/**
 * How much longer than its program an answer may take, ms: whoever forwards it waits 5 s longer, and must have heard before it gives up
 * whether anything was run. Finding the machine, its login shell's start and the word that the deadline was held are in it.
 */
export const ANSWER_MARGIN_MS = 4_500;
/** Of these, until the program is begun. The rest is for the machine to say that it ended one at its deadline. */
export const MAX_CONNECT_TIMEOUT_MS = 3_500;
export const DEFAULT_CONNECT_TIMEOUT_MS = 2_500;
/** After its program ended a channel may still bring output, ms since the latest. What stays in the background holds it open. */
export const DRAIN_MS = 300;

/** Programs in one machine at once. OpenSSH takes 10 sessions on one connection. */
export const MAX_PROGRAMS_PER_MACHINE = 8;
/** Connections of one agent at once: descriptors, and some 100 KB each. */
export const MAX_CONNECTIONS = 64;
/** A connection that nobody uses is kept for the next program this long, ms. */
export const IDLE_MS = 30_000;
/** Between two signs of life on a connection, ms, and signs missed after which it is given up. */
export const KEEPALIVE_INTERVAL_MS = 5_000;
export const KEEPALIVE_MISSES = 2;
