/** Names, paths and limits of the protocol. */

/** Version of the protocol. It increases with a change that an older side would misunderstand; new fields do not. */
export const PROTOCOL_VERSION = 1;
/** Name of the command in the machine. */
export const CELL_COMMAND = "bioxen-cell";
/** Socket of the agent, if `--socket` is not given. Its folder is readable for its owner only. */
export const DEFAULT_SOCKET = "/run/bioxen-cell/cell.sock";
/** Folder of the stored cell, if `--state-dir` is not given. */
export const DEFAULT_STATE_DIR = "/var/lib/bioxen-cell";
/** Time between two reads of xenstore, ms, if `--poll-ms` is not given. Each read starts a process in the machine. */
export const DEFAULT_POLL_MS = 2_000;
/** Exit code of `bioxen-cell call` when no agent answers: `EX_UNAVAILABLE` of sysexits.h. */
export const EXIT_NO_DAEMON = 69;
/**
 * Maximum size of a request and of a reply, bytes of one line of JSON. The largest request has a checkpoint of 768 KiB
 * in base64 and a program of 64 KiB, which JSON can lengthen by a factor of six.
 */
export const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;

/** Resources of a cell, in an allocation beside those of its machine. */
export const CELL_RESOURCES = ["ribosomes", "rnaPolymerases", "atpPerSecond", "dnaKilobases"] as const;
/** Resources that limit the growth of a cell. Their allocations appear as caps in its samples. */
export const CELL_RATES = ["ribosomes", "atpPerSecond", "rnaPolymerases"] as const;

/** Folder of all keys in xenstore, relative to the domain of the machine. */
export const XENSTORE_FOLDER = "vm-data/bioxen/";
/** Keys that the agent writes. XAPI shows them in the field `xenstore_data` of the VM, and restores them at a start. */
export const AGENT_KEY = `${XENSTORE_FOLDER}agent`;
export const SAMPLE_KEY = `${XENSTORE_FOLDER}sample`;
/** Maximum size of a value in xenstore, bytes: the default quota of xenstored for an entry of a guest. */
export const MAX_XENSTORE_VALUE_BYTES = 2_048;
/** Where the cell's spec comes from. `xenstore`: from the keys; `ssh`: from the request `boot`. */
export const BOOT_SOURCES = ["xenstore", "ssh"] as const;
