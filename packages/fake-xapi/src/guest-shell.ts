/**
 * What a fake guest can do when it is told to: a few commands of its own, in this process and on nothing of it. It is no shell: no
 * variables, no pipes, no files, and nothing of the host can be reached from it.
 *
 * `echo`, `printf`, `cat`, `seq`, `uname`, `hostname`, `whoami`, `sleep`, `true`, `false`, `exit`; `;`, line ends, `&&`, `||`, quotes,
 * comments, `>&2`.
 */
import { setTimeout as delay } from "node:timers/promises";

export interface GuestIo {
  readonly hostname: string;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Aborted when its time is over or nobody listens any more. */
  readonly signal: AbortSignal;
}

type Operator = ";" | "&&" | "||" | ">&2";
type Token = { readonly word: string } | { readonly operator: Operator };

const NOT_FOUND = 127;
const MISUSED = 2;
const MAX_SEQ = 1_000_000;
/** A word, an operator, a comment or what lies between. */
const TOKEN =
  /[^\S\n]*(?:(#[^\n]*)|(&&|\|\||;|>&2|\n)|((?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s;&|<>'"\\#])(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s;&|<>'"\\])*))|([^\S\n]+)|(\S)/y;

/** Throws `SyntaxError`. */
function tokens(source: string): Token[] {
  const all: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const [, comment, operator, word, space, other] = TOKEN.exec(source) ?? [];
    if (operator !== undefined) all.push({ operator: operator === "\n" ? ";" : (operator as Operator) });
    else if (word !== undefined) all.push({ word: unquoted(word) });
    else if (other !== undefined) throw new SyntaxError(`"${other}" means nothing to a fake guest`);
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

class Exit extends Error {
  readonly status: number;
  constructor(status: number) {
    super("exit");
    this.status = status;
  }
}

/** The exit status of the whole. Rejects when it is aborted. */
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
        const isWanted = before === ";" || (before === "&&") === (status === 0);
        if (words.length > 0 && isWanted)
          status = await runCommand(words, isError ? { ...io, out: io.err } : io);
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

const say =
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
  hostname: say((io) => io.hostname),
  whoami: say(() => "root"),
  uname: say(() => "Fake"),
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

async function runCommand([name = "", ...args]: readonly string[], io: GuestIo): Promise<number> {
  const command = COMMANDS[name];
  if (command !== undefined) return command(args, io);
  io.err(`sh: ${name}: not found\n`);
  return NOT_FOUND;
}
