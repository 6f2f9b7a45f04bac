/**
 * The commands of a fake guest. They run in this process but cannot reach its host: this is not a shell and has no
 * variables, pipes or files.
 *
 * Commands: `echo`, `printf`, `cat`, `seq`, `uname`, `hostname`, `whoami`, `sleep`, `true`, `false`, `exit`, and
 * `bioxen-cell call`, which runs the real program. Syntax: `;`, line ends, `&&`, `||`, quotes, comments, `>&2`.
 */
import { setTimeout as delay } from "node:timers/promises";

export interface GuestIo {
  readonly hostname: string;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Aborted at the deadline, or when the client disconnects. */
  readonly signal: AbortSignal;
  /** Passes the standard input on to the guest agent; undefined for a guest without one. */
  readonly callAgent?: (() => Promise<AgentExit | undefined>) | undefined;
}

interface AgentExit {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Operator = ";" | "&&" | "||" | ">&2";
type Token = { readonly word: string } | { readonly operator: Operator };

/** Exit status of an unknown command, as in a shell. */
const NOT_FOUND = 127;
/** Exit status of a syntax error, as in a shell. */
const MISUSED = 2;
/** Largest count of `seq`, so that a program cannot exhaust the memory. */
const MAX_SEQ = 1_000_000;
/** Matches a comment, an operator, a word, white space, or any other character. */
const TOKEN =
  /[^\S\n]*(?:(#[^\n]*)|(&&|\|\||;|>&2|\n)|((?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s;&|<>'"\\#])(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s;&|<>'"\\])*))|([^\S\n]+)|(\S)/y;

/** Splits `source` into words and operators. Throws `SyntaxError` at anything else. */
function tokens(source: string): Token[] {
  const all: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const [, comment, operator, word, space, other] = TOKEN.exec(source) ?? [];
    if (operator !== undefined) all.push({ operator: operator === "\n" ? ";" : (operator as Operator) });
    else if (word !== undefined) all.push({ word: unquoted(word) });
    else if (other !== undefined) throw new SyntaxError(`"${other}" is not supported by a fake guest`);
    else if (comment === undefined && space === undefined) break;
  }
  return all;
}

function unquoted(word: string): string {
  return word.replaceAll(
    /'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/g,
    (_, single, double, escaped) => single ?? double?.replaceAll(/\\(["\\$`])/g, "$1") ?? escaped,
  );
}

/** Thrown by `exit` to end the script. */
class Exit extends Error {
  readonly status: number;
  constructor(status: number) {
    super("exit");
    this.status = status;
  }
}

/** Runs a script and resolves with its exit status. Rejects when `io.signal` is aborted. */
export async function runScript(source: string, io: GuestIo): Promise<number> {
  try {
    let status = 0;
    let before: Operator = ";";
    let words: string[] = [];
    let isError = false;
    for (const token of [...tokens(source), { operator: ";" } as const]) {
      if ("word" in token) words.push(token.word);
      else if (token.operator === ">&2") isError = true;
      else {
        const runs = before === ";" || (before === "&&") === (status === 0);
        if (words.length > 0 && runs) status = await runCommand(words, isError ? { ...io, out: io.err } : io);
        io.signal.throwIfAborted();
        [before, words, isError] = [token.operator, [], false];
      }
    }
    return status;
  } catch (thrown) {
    if (thrown instanceof Exit) return thrown.status;
    if (!(thrown instanceof SyntaxError)) throw thrown;
    io.err(`sh: ${thrown.message}\n`);
    return MISUSED;
  }
}

type Command = (args: readonly string[], io: GuestIo) => number | Promise<number>;

/** Returns a command that prints `text` as one line. */
const print =
  (text: (io: GuestIo) => string): Command =>
  (_args, io) => {
    io.out(`${text(io)}\n`);
    return 0;
  };

const COMMANDS: Readonly<Record<string, Command>> = {
  true: () => 0,
  false: () => 1,
  cat: () => 0,
  echo: (args, io) => {
    io.out(`${args.join(" ")}\n`);
    return 0;
  },
  printf: ([format = ""], io) => {
    io.out(format.replaceAll("\\n", "\n"));
    return 0;
  },
  hostname: print((io) => io.hostname),
  whoami: print(() => "root"),
  uname: print(() => "Fake"),
  seq: ([last = "0"], io) => {
    const count = Math.min(Number(last) || 0, MAX_SEQ);
    io.out(Array.from({ length: count }, (_, i) => `${i + 1}\n`).join(""));
    return 0;
  },
  sleep: async ([seconds = "0"], io) => {
    await delay(Number(seconds) * 1000, undefined, { signal: io.signal });
    return 0;
  },
  exit: ([status = "0"]) => {
    throw new Exit(Number(status) & 0xff);
  },
};

/** The command of the guest agent, and its word for one request. */
const AGENT_CALL = ["bioxen-cell", "call"];

async function runCommand([name = "", ...args]: readonly string[], io: GuestIo): Promise<number> {
  if (name === AGENT_CALL[0] && args[0] === AGENT_CALL[1]) {
    const exit = await io.callAgent?.();
    if (exit !== undefined) {
      io.out(exit.stdout);
      io.err(exit.stderr);
      return exit.status;
    }
  }
  const command = COMMANDS[name];
  if (command !== undefined) return command(args, io);
  io.err(`sh: ${name}: not found\n`);
  return NOT_FOUND;
}
