/**
 * Every limit of the basic driver: unit, reason, and what breaks when it is wrong. README.md has the table for operators.
 */

// ---------------------------------------------------------------- a Lua guest

/** Bytes of Lua heap per VM. Far above what a control program needs; 1 000 VMs at the limit would be 8 GB. */
export const GUEST_MEMORY_BYTES = 8 * 1024 * 1024;
/**
 * Bytes the host may go over a guest's limit while it prepares or reads a call. Without it a guest that fills its memory
 * could not even be told so.
 */
export const HOST_HEADROOM_BYTES = 256 * 1024;
/** After an out-of-memory and a full collection, less free than this and the Lua state is made anew: nothing would run. */
export const GUEST_MEMORY_RESERVE_BYTES = 1024 * 1024;
/** Bytes of Lua heap of all VMs of one driver. The WebAssembly memory ends at 2 GiB; the rest is for its own needs. */
export const TOTAL_MEMORY_BYTES = 1536 * 1024 * 1024;
/** Bytes of UTF-8 of one source. Compiling has no hook, 64 KiB take about 5 ms; NATS carries 1 MiB at most. */
export const MAX_SOURCE_BYTES = 64 * 1024;
/** Bytes of output an exec keeps. More is cut off with a mark; it must fit in a reply beside the result. */
export const MAX_STDOUT_BYTES = 64 * 1024;
/** Characters of one line in the VM's log; longer lines are cut off with a mark. */
export const MAX_LOG_LINE_CHARS = 2_000;
/** Log lines per VM and second, and so many at once. A guest that prints in a loop must not fill the bus. */
export const MAX_LOG_LINES_PER_SECOND = 50;

/** ms an exec may take when the caller does not say; a person at a prompt waits that long. */
export const DEFAULT_EXEC_TIMEOUT_MS = 5_000;
/** ms an exec may take at most. */
export const MAX_EXEC_TIMEOUT_MS = 60_000;
/** Lua instructions of one exec or program: what 60 s of an unshared core can do. Ends what a stopped clock would not. */
export const MAX_EXEC_INSTRUCTIONS = 20_000_000_000;
/** Instructions and ms of one call of `on_minute` or `on_division`; they come at every tick, for every VM. */
export const MAX_HOOK_INSTRUCTIONS = 1_000_000;
export const HOOK_TIMEOUT_MS = 1_000;
/** Errors in a row after which a VM's hooks are switched off: it will not mend itself, and each one is a log line. */
export const MAX_HOOK_ERRORS_IN_A_ROW = 5;
/** Execs of one VM that wait for each other; one more is refused as `UNAVAILABLE`. */
export const MAX_QUEUED_EXECS = 16;

/** ms beyond its timeout that an exec may wait for its start, so that a short one survives the start of the worker. */
export const QUEUE_GRACE_MS = 1_000;

/** Instructions between two looks at the clock. At 1 000 the looking costs about 2 %. */
export const HOOK_INTERVAL = 1_000;
/** Instructions after which a guest gives way to the next one: 0.1–0.2 ms of plain code. */
export const SLICE_INSTRUCTIONS = 10_000;
/** ms after which it gives way although it has instructions left: they were slow ones, on long strings. */
export const SLICE_MS = 5;
/**
 * Bytes of the longest string up to which {@link HOOK_INTERVAL} holds; with a longer one the interval shrinks in
 * proportion. One instruction can walk a whole string (2.4 ns a byte to read it as a number), so the time
 * between two looks at the clock stays below 0.1 s.
 */
export const LONG_STRING_BYTES = 32 * 1024;
/** Bytes allocated since the last look at the clock that call for the next one: copying them took up to a millisecond. */
export const ALLOCATION_BYTES_PER_LOOK = 1024 * 1024;
/**
 * Instructions a guest may run where it cannot be interrupted (inside `__tostring`, an `xpcall` handler, …) before it is
 * ended as timed out: about 0.1 s during which no other guest runs.
 */
export const MAX_UNINTERRUPTIBLE_INSTRUCTIONS = 1_000_000;

/** Steps of one pattern match, about 0.1 s, and a few per byte of the longest subject; a bomb needs 1e12. A step is charged as an instruction. */
export const MAX_PATTERN_STEPS = 10_000_000;
/** Nested items of a pattern that can backtrack, as in the reference implementation. */
export const MAX_PATTERN_DEPTH = 200;
/** Captures of a pattern, as in the reference implementation. */
export const MAX_CAPTURES = 32;

/** A result: nesting, values and bytes of strings in it. Above, the exec is `TOO_LARGE`. */
export const MAX_RESULT_DEPTH = 32;
export const MAX_RESULT_VALUES = 20_000;
export const MAX_RESULT_BYTES = 256 * 1024;
/**
 * What a checkpoint keeps of the guest's `state`: nesting, values (keys counted), bytes of text. Above, the checkpoint is
 * `TOO_LARGE`. Reading the most takes about 20 ms during which no other guest runs.
 */
export const MAX_KEPT_DEPTH = 64;
export const MAX_KEPT_VALUES = 20_000;
export const MAX_KEPT_BYTES = 256 * 1024;
/** The global that a checkpoint keeps. */
export const STATE_GLOBAL = "state";
/** `lmathlib.c`: four words of 64 bits behind `math.random`. */
export const RANDOM_STATE_BYTES = 32;
/** ms to read what is kept once its turn has come; it waits for the calls of the guest that were there before. */
export const KEEP_TIMEOUT_MS = 5_000;
/** Bytes of an error's message and of its traceback that are passed on. */
export const MAX_ERROR_BYTES = 8 * 1024;
/** Instructions for the guest's own `__tostring` of an error object. */
export const MAX_DESCRIBE_INSTRUCTIONS = 100_000;

// ---------------------------------------------------------------- the worker thread

/** ms the worker runs guests before it looks for messages: what a call waits for at least beside busy guests. */
export const WORKER_TURN_MS = 2;
/** MB of the worker's JavaScript heap, without the Lua states: room for the messages and tables of one turn. */
export const WORKER_HEAP_MB = 256;
/** ms between two looks of the watchdog, and looks without a sign of life after which the worker is ended: 2 s. */
export const WATCHDOG_INTERVAL_MS = 250;
export const WATCHDOG_SILENT_LOOKS = 8;
/** Workers that one VM may take down before its Lua is switched off: each costs all VMs their Lua globals. */
export const MAX_WORKERS_LOST_PER_GUEST = 3;
/** ms for a new worker to report ready; it takes about 0.1 s, on a starved machine much longer. */
export const WORKER_START_MS = 30_000;

// ---------------------------------------------------------------- cells

/** Simulated minutes per second of the host unless configured: an E. coli divides every 40 s. */
export const DEFAULT_TIME_SCALE = 1;
/** Largest time scale, min/s: 256 VMs at 6 µs a minute would fill a core at 600. */
export const MAX_TIME_SCALE = 1_000;
/** ms one tick may spend on cells, so that the agent's event loop answers in between. */
export const TICK_BUDGET_MS = 20;
/** ms of host time a guest may be behind. What it owes beyond is dropped: time stands still, no storm follows a pause. */
export const MAX_LAG_MS = 60_000;
