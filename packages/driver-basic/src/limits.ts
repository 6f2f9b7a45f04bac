/**
 * Every limit of the basic driver, with its unit, its reason, and the effect of a wrong value. README.md has the table for operators.
 */

// ---------------------------------------------------------------- a Lua guest

/** Bytes of Lua heap per VM. A control program needs far less; 1 000 VMs at the limit would need 8 GB. */
export const GUEST_MEMORY_BYTES = 8 * 1024 * 1024;
/**
 * Bytes by which the host may exceed a guest's limit while it prepares or reads a call. Without this margin the host could not report
 * the error of a guest whose memory is full.
 */
export const HOST_HEADROOM_BYTES = 256 * 1024;
/** If fewer bytes than this are free after an out-of-memory error and a full collection, the Lua state is recreated: no code could run in it. */
export const GUEST_MEMORY_RESERVE_BYTES = 1024 * 1024;
/** Bytes of Lua heap of all VMs of one driver. The WebAssembly memory has at most 2 GiB; the module itself needs the rest. */
export const TOTAL_MEMORY_BYTES = 1536 * 1024 * 1024;
/** UTF-8 bytes of one source. Compilation cannot be interrupted and takes about 5 ms for 64 KiB; a NATS message has at most 1 MiB. */
export const MAX_SOURCE_BYTES = 64 * 1024;
/** Output bytes of an exec. Longer output is truncated with a mark; output and result must fit into one reply. */
export const MAX_STDOUT_BYTES = 64 * 1024;
/** Characters of one line in the VM's log; longer lines are truncated with a mark. */
export const MAX_LOG_LINE_CHARS = 2_000;
/** Log lines per VM and second, and the largest burst. A guest that prints in a loop must not flood the bus. */
export const MAX_LOG_LINES_PER_SECOND = 50;

/** Default timeout of an exec, ms: as long as a person waits at a prompt. */
export const DEFAULT_EXEC_TIMEOUT_MS = 5_000;
/** Largest timeout of an exec, ms. */
export const MAX_EXEC_TIMEOUT_MS = 60_000;
/** Lua instructions of one exec or program: about 60 s on an idle core. This limit holds even if the clock stops. */
export const MAX_EXEC_INSTRUCTIONS = 20_000_000_000;
/** Instructions of one call of `on_minute` or `on_division`. Each VM can make such a call at every tick. */
export const MAX_HOOK_INSTRUCTIONS = 1_000_000;
/** Time limit of one call of `on_minute` or `on_division`, ms. */
export const HOOK_TIMEOUT_MS = 1_000;
/** Consecutive errors after which a VM's hooks are switched off: the cause is permanent, and each error is a log line. */
export const MAX_HOOK_ERRORS_IN_A_ROW = 5;
/** Queued execs of one VM; one more is rejected as `UNAVAILABLE`. */
export const MAX_QUEUED_EXECS = 16;

/** ms in addition to its timeout that an exec may wait for its start, so that a short timeout survives the start of the worker. */
export const QUEUE_GRACE_MS = 1_000;

/** Instructions between two clock checks. At 1 000 the checks cost about 2 %. */
export const HOOK_INTERVAL = 1_000;
/** Instructions after which a guest yields to the next one: 0.1–0.2 ms of plain code. */
export const SLICE_INSTRUCTIONS = 10_000;
/**
 * ms after which a guest yields even if its slice has instructions left. Single instructions are slow on long strings.
 */
export const SLICE_MS = 5;
/**
 * String length in bytes up to which {@link HOOK_INTERVAL} holds; for a longer string the interval shrinks in proportion. One
 * instruction can read a whole string (2.4 ns per byte to parse it as a number). The time between two clock checks
 * therefore stays below 0.1 s.
 */
export const LONG_STRING_BYTES = 32 * 1024;
/** After this many allocated bytes the clock is checked again, because copying that much takes up to 1 ms. */
export const ALLOCATION_BYTES_PER_LOOK = 1024 * 1024;
/**
 * Instructions that a guest may run in uninterruptible code (inside `__tostring`, an `xpcall` handler, …) before it times out: about
 * 0.1 s, during which no other guest runs.
 */
export const MAX_UNINTERRUPTIBLE_INSTRUCTIONS = 1_000_000;

/**
 * Maximum number of steps of one pattern match, each of which counts as an instruction. The limit takes about 0.1 s and
 * allows several steps per byte of the longest subject. A malicious pattern needs 1e12 steps.
 */
export const MAX_PATTERN_STEPS = 10_000_000;
/** Nested backtracking items of a pattern; the limit of the reference implementation. */
export const MAX_PATTERN_DEPTH = 200;
/** Captures of a pattern; the limit of the reference implementation. */
export const MAX_CAPTURES = 32;

/** Limits of a result: nesting, values, and string bytes. A larger result makes the exec `TOO_LARGE`. */
export const MAX_RESULT_DEPTH = 32;
export const MAX_RESULT_VALUES = 20_000;
export const MAX_RESULT_BYTES = 256 * 1024;
/**
 * Limits of the guest's `state` in a checkpoint: nesting, values (including keys), bytes of text. A larger state makes the checkpoint
 * `TOO_LARGE`. Reading the largest state takes about 20 ms, during which no other guest runs.
 */
export const MAX_KEPT_DEPTH = 64;
export const MAX_KEPT_VALUES = 20_000;
export const MAX_KEPT_BYTES = 256 * 1024;
/** The name of the Lua global that a checkpoint stores. */
export const STATE_GLOBAL = "state";
/** Bytes of the state of `math.random`: four 64-bit words (source: `lmathlib.c`). */
export const RANDOM_STATE_BYTES = 32;
/** ms to read the `state` for a checkpoint, without the wait for earlier calls of the guest. */
export const KEEP_TIMEOUT_MS = 5_000;
/** Bytes of an error message, and of its traceback, in a reply; the rest is truncated. */
export const MAX_ERROR_BYTES = 8 * 1024;
/** Instructions for the guest's own `__tostring` of an error object. */
export const MAX_DESCRIBE_INSTRUCTIONS = 100_000;

// ---------------------------------------------------------------- the worker thread

/**
 * ms that the worker runs guests between two checks for messages. While guests are busy, a new call waits up to this
 * long.
 */
export const WORKER_TURN_MS = 2;
/** MB of the worker's JavaScript heap without the Lua states: room for the messages and tables of one turn. */
export const WORKER_HEAP_MB = 256;
/** ms between two watchdog checks. */
export const WATCHDOG_INTERVAL_MS = 250;
/** Consecutive checks without a heartbeat after which the worker is ended: 2 s in all. */
export const WATCHDOG_SILENT_LOOKS = 8;
/** Workers that one VM may block before its Lua is switched off: each lost worker costs all VMs their Lua globals. */
export const MAX_WORKERS_LOST_PER_GUEST = 3;
/** ms within which a new worker must report ready. It usually takes 0.1 s, and much longer on an overloaded machine. */
export const WORKER_START_MS = 30_000;

// ---------------------------------------------------------------- cells

/** Default time scale, simulated minutes per second of the host: an E. coli divides every 40 s. */
export const DEFAULT_TIME_SCALE = 1;
/** Largest time scale, min/s. At 6 µs per minute, 256 VMs would occupy one core at 600 min/s. */
export const MAX_TIME_SCALE = 1_000;
/** ms that one tick may spend on cells, so that the agent's event loop stays responsive. */
export const TICK_BUDGET_MS = 20;
/** Largest lag of a guest, ms of host time. Lag beyond it is dropped, so that a long stall is not followed by a burst of work. */
export const MAX_LAG_MS = 60_000;
