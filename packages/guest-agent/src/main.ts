/** The command `bioxen-cell`. */
import { parseArgs } from "node:util";
import { messageOf } from "@bioxen/kernel";
import { DriverError } from "@bioxen/vm-driver";
import { call, NoAgentError } from "./call.ts";
import { AGENT_VERSION, Daemon } from "./daemon.ts";
import { SAVE_MS } from "./limits.ts";
import {
  CELL_COMMAND,
  DEFAULT_POLL_MS,
  DEFAULT_SOCKET,
  DEFAULT_STATE_DIR,
  EXIT_NO_DAEMON,
  MAX_MESSAGE_BYTES,
  parseReply,
} from "./protocol.ts";
import { SettingsError } from "./socket-server.ts";
import { statusText } from "./status-text.ts";

const EXIT_FAILED = 1;
/** `EX_USAGE` and `EX_CONFIG` of sysexits.h. */
const EXIT_USAGE = 64;
const EXIT_MISCONFIGURED = 78;

const HELP = `Runs a cell of BioXen inside a virtual machine.

Usage: ${CELL_COMMAND} run [options]      run the agent until SIGTERM
       ${CELL_COMMAND} call [options]     send the JSON request on stdin to the agent, print its reply as one line
       ${CELL_COMMAND} status [options]   show the state of the agent and of its cell

Options:
  --socket PATH     socket of the agent (default ${DEFAULT_SOCKET})
  --state-dir DIR   run: folder of the stored cell (default ${DEFAULT_STATE_DIR})
  --poll-ms N       run: time between two reads of xenstore, ms (default ${DEFAULT_POLL_MS})
  --save-ms N       run: time between two writes of the cell to disk, ms (default ${SAVE_MS})
  --version         print the version
  --help            print this text

Exit codes: 0 the agent answered, ${EXIT_USAGE} wrong arguments, ${EXIT_NO_DAEMON} no agent answers, ${EXIT_MISCONFIGURED} the agent cannot run with its settings
`;

const OPTIONS = {
  socket: { type: "string", default: DEFAULT_SOCKET },
  "state-dir": { type: "string", default: DEFAULT_STATE_DIR },
  "poll-ms": { type: "string", default: String(DEFAULT_POLL_MS) },
  "save-ms": { type: "string", default: String(SAVE_MS) },
  version: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/** Runs the command with these arguments. Resolves with its exit code; `run` resolves after SIGTERM or SIGINT. */
export async function main(args: string[]): Promise<number> {
  let parsed: ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    return refused(EXIT_USAGE, messageOf(error));
  }
  const { values, positionals } = parsed;
  if (values.version) return printed(`${AGENT_VERSION}\n`);
  if (values.help) return printed(HELP);
  const [command, ...rest] = positionals;
  if (rest.length > 0) return refused(EXIT_USAGE, `unexpected argument: ${rest.join(" ")}`);
  if (command === "run") return run(values);
  if (command === "call") return answered(async () => `${await call(values.socket, await input())}\n`);
  if (command === "status") return answered(() => status(values.socket));
  return refused(
    EXIT_USAGE,
    `${command === undefined ? "no command" : `unknown command ${command}`}: see --help`,
  );
}

async function run(
  values: Readonly<Record<"socket" | "state-dir" | "poll-ms" | "save-ms", string>>,
): Promise<number> {
  const pollMs = positiveInteger(values["poll-ms"]);
  const saveMs = positiveInteger(values["save-ms"]);
  if (pollMs === undefined || saveMs === undefined) {
    return refused(EXIT_USAGE, "--poll-ms and --save-ms take an integer from 1 to 2147483647, in ms");
  }
  const log = (line: string) => void process.stderr.write(`${line}\n`);
  const path = process.env["PATH"] ?? "";
  const daemon = new Daemon({
    stateDir: values["state-dir"],
    socket: values.socket,
    pollMs,
    saveMs,
    path,
    log,
  });
  const stopped = new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  try {
    await daemon.start();
  } catch (error) {
    await daemon.stop();
    if (error instanceof SettingsError) return refused(EXIT_MISCONFIGURED, error.message);
    throw error;
  }
  log(`${CELL_COMMAND} ${AGENT_VERSION} listens at ${values.socket}`);
  await stopped;
  await daemon.stop();
  return 0;
}

async function answered(body: () => Promise<string>): Promise<number> {
  try {
    return printed(await body());
  } catch (error) {
    if (error instanceof NoAgentError) return refused(EXIT_NO_DAEMON, error.message);
    // What answers is no agent, or one of another protocol.
    if (error instanceof DriverError) return refused(EXIT_FAILED, error.message);
    throw error;
  }
}

async function status(socket: string): Promise<string> {
  return statusText(parseReply("status", await call(socket, JSON.stringify({ op: "status" }))));
}

/** Returns stdin as one line. A line end inside JSON is white space. */
async function input(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    // The agent rejects the request by its size; the rest of it is not needed for that.
    if (bytes > MAX_MESSAGE_BYTES + 1) break;
  }
  return Buffer.concat(chunks)
    .toString("utf8")
    .trim()
    .replaceAll(/[\r\n]/g, " ");
}

function positiveInteger(text: string): number | undefined {
  const value = Number(text);
  return /^\d{1,10}$/.test(text) && value >= 1 && value <= 2_147_483_647 ? value : undefined;
}

function printed(text: string): number {
  process.stdout.write(text);
  return 0;
}

function refused(code: number, message: string): number {
  process.stderr.write(`${CELL_COMMAND}: ${message}\n`);
  return code;
}
