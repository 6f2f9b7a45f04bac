/**
 * Every limit of the basic driver, with its unit and its reason. README.md has the table for operators.
 */

// ---------------------------------------------------------------- a Lua guest

/** Maximum Lua heap of one VM, in bytes. A control program needs far less; 1 000 VMs at the limit would need 8 GB. */
export const GUEST_MEMORY_BYTES = 8 * 1024 * 1024;
/**
 * Extra bytes beyond the VM's heap limit that the driver may use while it prepares a call or reads its result. Without
 * this margin, the driver could not report the error of a guest whose memory is full.
 */
export const HOST_HEADROOM_BYTES = 256 * 1024;
/**
 * Minimum free bytes of a guest's heap after an out-of-memory error and a full garbage collection. With less, no code
 * could run in the Lua state, so the state is recreated.
 */
export const GUEST_MEMORY_RESERVE_BYTES = 1024 * 1024;
/**
 * Maximum Lua heap of all VMs of one driver together, in bytes. The WebAssembly memory has at most 2 GiB; the module
 * itself needs the rest.
 */
export const TOTAL_MEMORY_BYTES = 1536 * 1024 * 1024;
/**
 * Maximum size of one Lua source, in bytes of UTF-8. Compilation cannot be interrupted and takes about 5 ms for 64 KiB.
 * A NATS message has at most 1 MiB.
 */
export const MAX_SOURCE_BYTES = 64 * 1024;
/**
 * Maximum output of one exec, in bytes. Longer output is truncated with a mark; output and result must fit into one
 * reply.
 */
export const MAX_STDOUT_BYTES = 64 * 1024;
/** Maximum length of one line in the VM's log, in characters. A longer line is truncated with a mark. */
export const MAX_LOG_LINE_CHARS = 2_000;
/**
 * Maximum number of log lines of one VM per second, and in one burst. A guest that prints in a loop must not flood the
 * bus.
 */
export const MAX_LOG_LINES_PER_SECOND = 50;

/** Default timeout of an exec, in ms: as long as a person waits at a prompt. */
export const DEFAULT_EXEC_TIMEOUT_MS = 5_000;
/** Maximum timeout that a caller can set for an exec, in ms. */
export const MAX_EXEC_TIMEOUT_MS = 60_000;
/**
 * Time after which a program of a user that runs again ends its guest, in ms. It is ten times the longest exec, because a
 * course must not depend on the speed of the host.
 */
export const AGAIN_TIMEOUT_MS = 600_000;
/**
 * Maximum number of Lua instructions of one exec or program: about 60 s on an idle core. This limit holds even if the
 * clock stops.
 */
export const MAX_EXEC_INSTRUCTIONS = 20_000_000_000;
/**
 * Maximum number of Lua instructions of one call of `on_minute` or `on_division`. Each VM makes such a call for every
 * simulated minute.
 */
export const MAX_HOOK_INSTRUCTIONS = 1_000_000;
/**
 * Time after which a call of `on_minute` or `on_division` ends its guest, in ms. A course must not depend on the speed
 * of the host, so this limit only protects the host. The permitted instructions usually take less than 0.1 s.
 */
export const HOOK_TIMEOUT_MS = 60_000;
/**
 * Number of consecutive errors after which a VM's hooks are switched off. The cause of so many errors counts as
 * permanent, and every further error would write a log line.
 */
export const MAX_HOOK_ERRORS_IN_A_ROW = 5;
/** Maximum number of queued execs of one VM. A further exec is rejected as `UNAVAILABLE`. */
export const MAX_QUEUED_EXECS = 16;

/**
 * Time that an exec may wait for its start in addition to its own timeout, in ms: behind one short call of each of a few
 * other guests. The start of a worker is not counted (see {@link WORKER_START_MS}).
 */
export const QUEUE_GRACE_MS = 1_000;

/** Number of Lua instructions between two clock checks. At 1 000, the checks cost about 2 %. */
export const HOOK_INTERVAL = 1_000;
/** Number of Lua instructions in one slice, after which a guest yields to the next guest: 0.1–0.2 ms of plain code. */
export const SLICE_INSTRUCTIONS = 10_000;
/**
 * Maximum duration of one slice of a guest, in ms. A slice can end before its instructions are used up, because single
 * instructions are slow on long strings.
 */
export const SLICE_MS = 5;
/**
 * Maximum string length for which {@link HOOK_INTERVAL} applies, in bytes. With a longer string, the interval between
 * clock checks shrinks in proportion, because one instruction can read a whole string (2.4 ns per byte to parse it as a
 * number). The time between two clock checks therefore stays below 0.1 s.
 */
export const LONG_STRING_BYTES = 32 * 1024;
/**
 * Number of newly allocated bytes after which the clock is checked early, because copying that much takes up to 1 ms.
 */
export const ALLOCATION_BYTES_PER_LOOK = 1024 * 1024;
/**
 * Maximum number of Lua instructions that a guest may run in uninterruptible code (inside `__tostring`, an `xpcall`
 * handler, …) before it times out. They take about 0.1 s, during which no other guest runs.
 */
export const MAX_UNINTERRUPTIBLE_INSTRUCTIONS = 1_000_000;

/**
 * Maximum number of steps of one pattern match; each step counts as an instruction. That many steps take about 0.1 s
 * and allow several steps per byte of the longest subject. A malicious pattern needs 1e12 steps.
 */
export const MAX_PATTERN_STEPS = 10_000_000;
/** Maximum nesting of backtracking items in a pattern, as in Lua's reference implementation. */
export const MAX_PATTERN_DEPTH = 200;
/** Maximum number of captures in a pattern, as in Lua's reference implementation. */
export const MAX_CAPTURES = 32;

/**
 * Limits of the result of an exec: nesting depth, number of values, bytes of strings. A larger result makes the exec
 * fail with `TOO_LARGE`.
 */
export const MAX_RESULT_DEPTH = 32;
export const MAX_RESULT_VALUES = 20_000;
export const MAX_RESULT_BYTES = 256 * 1024;
/**
 * Limits of the guest's global `state` in a checkpoint: nesting depth, number of values including keys, bytes of text.
 * A larger `state` makes the checkpoint fail with `TOO_LARGE`. Reading the largest one takes about 20 ms, during which
 * no other guest runs.
 */
export const MAX_KEPT_DEPTH = 64;
export const MAX_KEPT_VALUES = 20_000;
export const MAX_KEPT_BYTES = 256 * 1024;
/** The name of the Lua global that a checkpoint stores. */
export const STATE_GLOBAL = "state";
/** Size of the internal state of `math.random`, in bytes: four 64-bit words (source: `lmathlib.c`). */
export const RANDOM_STATE_BYTES = 32;
/**
 * Timeout for reading the guest's global `state` for a checkpoint, in ms. The wait for earlier calls of the guest is
 * not counted.
 */
export const KEEP_TIMEOUT_MS = 5_000;
/** Maximum size of an error message in a reply, and of its traceback, in bytes each. Longer texts are truncated. */
export const MAX_ERROR_BYTES = 8 * 1024;
/** Maximum number of Lua instructions of the guest's own `__tostring`, when it converts an error object to text. */
export const MAX_DESCRIBE_INSTRUCTIONS = 100_000;

// ---------------------------------------------------------------- the worker thread

/**
 * Time that the worker runs guests between two checks for messages, in ms. A new call waits up to this long while
 * guests are busy.
 */
export const WORKER_TURN_MS = 2;
/**
 * Maximum JavaScript heap of the worker, in MB, without the Lua states. It has room for the messages and tables that
 * the worker handles between two checks for messages.
 */
export const WORKER_HEAP_MB = 256;
/** Time between two watchdog checks of the worker's heartbeat, in ms. */
export const WATCHDOG_INTERVAL_MS = 250;
/** Number of consecutive watchdog checks without a heartbeat after which the worker is ended: 2 s in all. */
export const WATCHDOG_SILENT_LOOKS = 8;
/**
 * Number of workers that one VM may block before its Lua is switched off. Each lost worker costs all VMs their Lua
 * globals.
 */
export const MAX_WORKERS_LOST_PER_GUEST = 3;
/**
 * Time within which a new worker must report ready, in ms. It usually takes 0.1 s, and much longer on an overloaded
 * machine.
 */
export const WORKER_START_MS = 30_000;

// ---------------------------------------------------------------- cells

/** Default time scale, in simulated minutes per second of host time. At 1, an E. coli divides every 40 s. */
export const DEFAULT_TIME_SCALE = 1;
/**
 * Maximum time scale, in simulated minutes per second of host time. One simulated minute of a cell takes 6 µs, so 256
 * VMs would occupy one core at a time scale of 600.
 */
export const MAX_TIME_SCALE = 1_000;
/** Times that the cells of one thread may spend, ms. */
export interface CellBudgets {
  /** Time that one tick may spend on computing cells, without a turn for anything else in this thread. */
  readonly tickMs: number;
  /**
   * Time between two ticks that cells may spend which continue after a call of their Lua. A cell with hooks computes one
   * minute per call, so it could not follow a large time scale in ticks alone.
   */
  readonly betweenTicksMs: number;
  /** Time between two ticks that cells at the time scale `max` may spend. */
  readonly maxScaleMs: number;
}

/** For cells in a thread that has other work: its event loop stays responsive, and a core has time left for it. */
export const SHARED_THREAD_BUDGETS: CellBudgets = { tickMs: 20, betweenTicksMs: 30, maxScaleMs: 40 };
/**
 * For cells in a thread of their own, with a tick every 100 ms: they use a core if they need it. What is left answers
 * calls, which also have their turns between slices.
 */
export const OWN_THREAD_BUDGETS: CellBudgets = { tickMs: 60, betweenTicksMs: 85, maxScaleMs: 90 };
/** The longest slice of cells at the time scale `max`, after which the event loop gets its turn, ms. */
export const MAX_SCALE_SLICE_MS = 5;
/**
 * Number of guests in each thread of cells from which the next thread is started. A thread costs about 15 MB and 0.2 s of
 * processor time.
 */
export const GUESTS_BEFORE_NEXT_THREAD = 4;
/**
 * Time without an answer to a tick after which a thread of cells is ended, in ms. A tick takes 60 ms at most, and much
 * longer on an overloaded machine; a thread that needs more is in an endless loop.
 */
export const CELL_THREAD_SILENT_MS = 30_000;
/** Number of ticks in this time that the agent's own thread must have had: its own delay says nothing about the other. */
export const SILENT_TICKS = 20;
/** Time between two reports of samples by a thread whose guests lag, ms. */
export const LAGGING_SAMPLES_MS = 50;
/**
 * Size of the memory for new objects in a thread of cells, MB. Cells make little garbage; with the default of Node.js two
 * threads took 70 MB more.
 */
export const CELL_THREAD_YOUNG_MB = 8;
/**
 * Time within which the module of a cell model must be imported to read its declaration, in ms. It usually takes 0.1 s, and
 * much longer on an overloaded machine; the start of an agent, which waits for it, may take 45 s.
 */
export const CELL_MODEL_IMPORT_MS = 30_000;
/** Memory of a thread that reads the declaration of a cell model, MB: many times what the largest declaration needs. */
export const CELL_MODEL_MEMORY_MB = 256;
/** Time within which a thread of cells must end by itself when its driver is closed, in ms. Then it is terminated. */
export const CELL_THREAD_END_MS = 5_000;

/**
 * Maximum lag of a guest, in ms of host time. Lag beyond it is dropped, so that a long stall is not followed by a burst
 * of work.
 */
export const MAX_LAG_MS = 60_000;
/**
 * A guest whose program has hooks gets a restart point in memory after this many simulated minutes, or after this many
 * commands: if the Lua worker is lost, the guest computes the course since that point again.
 */
export const POINT_EVERY_MINUTES = 1_000;
export const POINT_EVERY_ACTS = 64;
/** Time within which a worker must end by itself when its driver is closed, in ms. Then it is terminated. */
export const WORKER_END_MS = 2_000;
