/** Every limit of the agent, with its unit and its reason. */

/** Time between two steps of the cell's clock, ms. A step of the fastest cell then computes 100 simulated minutes. */
export const TICK_MS = 100;
/**
 * Longest time between two steps that counts as time of the cell, ms. A longer gap means that the machine was paused,
 * suspended or moved: the cell then did not live. A machine that is merely busy delays a step by less.
 */
export const MAX_GAP_MS = 5_000;
/** Time between two reports in xenstore, ms. Each report that changed starts one process. */
export const REPORT_MS = 1_000;
/**
 * Time after which an unchanged report is written again, ms. A machine that was suspended finds its xenstore as XAPI has
 * filled it, without the latest reports.
 */
export const REPORT_AGAIN_MS = 30_000;
/** Time between two writes of the cell to disk, ms. A crash loses at most this much of the cell's life. */
export const SAVE_MS = 60_000;
/** Number of damaged files that are kept for inspection. Each has at most about 1 MiB. */
export const MAX_DAMAGED_FILES = 8;
/** Time limit of one call of a xenstore tool, ms. A call takes a few ms; xenstored can be slow while domains start. */
export const XENSTORE_TIMEOUT_MS = 5_000;
/** Maximum number of simultaneous connections. The driver needs one or two; each can hold a request of 2 MiB. */
export const MAX_CONNECTIONS = 16;
/** Time within which a request must arrive completely, ms. It comes from a process of the same machine. */
export const REQUEST_TIMEOUT_MS = 30_000;
/**
 * Time that `bioxen-cell call` waits for the reply, ms: the longest exec of 60 s, after a queue of execs that the
 * cell's driver ends within their own times.
 */
export const REPLY_TIMEOUT_MS = 120_000;
/** Number of printed lines that the agent keeps: twenty seconds of the fastest guest. Older lines are lost. */
export const MAX_KEPT_LINES = 1_000;
/** Maximum text in one reply to `logs`, characters. JSON lengthens a character to at most six bytes. */
export const MAX_LOG_REPLY_CHARS = 256 * 1024;
