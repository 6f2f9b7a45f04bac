/**
 * `bioxen vm console ID`: a Lua prompt inside a running VM. Attaching and detaching affect neither the VM nor other
 * consoles.
 */
import { createInterface } from "node:readline";
import { vmSubjectsFor } from "@bioxen/contracts";
import { tenantOf } from "@bioxen/nats";
import type { Command } from "commander";
import { luaCompletions, luaHelp } from "../lua-help.ts";
import { type Answer, LuaPrompt } from "../lua-prompt.ts";
import { refused } from "../outcome.ts";
import { note, say, sayJson, withSession } from "../run.ts";
import type { Session } from "../session.ts";
import { paint } from "../terminal.ts";

/** Width of the text of `help` when the output is no terminal, columns. */
const HELP_COLUMNS = 80;

export function addConsoleCommand(vm: Command): void {
  vm.command("console <id>")
    .description("open a Lua prompt in a running VM; Ctrl-D detaches, the VM keeps running")
    .action(async (vmId: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const { vm: view } = await session.ask("vmGet", { vmId });
        if (view.vmType === "xcpng") {
          const message = `${vmId} is a machine without a Lua prompt: run programs in it with bioxen vm exec ${vmId} --shell -e 'uname -a'`;
          throw refused({ code: "UNSUPPORTED", message, retryable: false });
        }
        if (json === true) return attach(session, vmId, false, showAsJson, (line) => sayJson({ line }));
        const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
        if (isTerminal)
          note(
            `${vmId} (${view.biologicalType}) is ${view.state}. help lists the functions of the cell, Ctrl-D detaches.`,
          );
        await attach(session, vmId, isTerminal, showInWords, (line) => say(paint("grey", line)));
        if (isTerminal) note(`\ndetached; ${vmId} keeps running`);
      });
    });
}

type Finished = Exclude<Answer, { readonly kind: "more" }>;

function showAsJson(answer: Finished): void {
  if (answer.kind === "refused") sayJson({ ok: false, error: answer.error });
  else sayJson({ ok: true, result: answer.value, stdout: answer.stdout });
}

function showInWords(answer: Finished): void {
  if (answer.stdout !== "") process.stdout.write(answer.stdout);
  if (answer.kind === "refused") note(paint("red", answer.message));
  else if (answer.value !== null && answer.value !== undefined) say(JSON.stringify(answer.value, null, 2));
}

/** Runs the Lua prompt on standard input; resolves when the input ends. */
async function attach(
  session: Session,
  vmId: string,
  isTerminal: boolean,
  show: (answer: Finished) => void,
  showLine: (line: string) => void,
): Promise<void> {
  // Before the input is opened: lines that arrive while something else is awaited are lost.
  const { log } = vmSubjectsFor(await tenantOf(session.bus), vmId);
  const prompt = new LuaPrompt((source) => session.call("vmExec", { vmId, source }));
  const lines = createInterface({
    input: process.stdin,
    ...(isTerminal ? { output: process.stdout } : {}),
    terminal: isTerminal,
    completer: luaCompletions,
  });
  const ask = () => {
    if (!isTerminal) return;
    lines.setPrompt(`${vmId}${prompt.isOpen ? ">>" : ">"} `);
    lines.prompt(true);
  };
  const guestLines = new GuestLines((line) => {
    if (isTerminal) process.stdout.write("\r\u001b[K");
    showLine(line);
    ask();
  });
  session.bus.subscribe(log, (payload) => guestLines.receive((payload as { line: string }).line));
  lines.on("SIGINT", () => {
    prompt.clear();
    process.stdout.write("^C\n");
    lines.write(null, { ctrl: true, name: "u" });
    ask();
  });
  ask();
  for await (const line of lines) {
    if (line.trim() === "help" && !prompt.isOpen) {
      show({ kind: "value", value: null, stdout: `${luaHelp(process.stdout.columns ?? HELP_COLUMNS)}\n` });
      ask();
      continue;
    }
    guestLines.hold();
    const answer = await prompt.take(line);
    guestLines.release(answer.kind === "more" ? "" : answer.stdout);
    if (answer.kind !== "more") show(answer);
    ask();
  }
}

/**
 * Shows the lines that the guest prints by itself or for another console; they arrive as telemetry. The output for this
 * console arrives twice: with the answer, and as telemetry before or after the answer. The telemetry copy is dropped
 * here.
 */
class GuestLines {
  readonly #show: (line: string) => void;
  /** Telemetry lines that arrived while an answer is awaited; undefined when no answer is awaited. */
  #held: string[] | undefined;
  /** Lines of the last answer whose telemetry copies have not arrived yet. A copy is dropped when it arrives. */
  #own: string[] = [];

  constructor(show: (line: string) => void) {
    this.#show = show;
  }

  receive(line: string): void {
    if (this.#held !== undefined) {
      this.#held.push(line);
      return;
    }
    const at = this.#own.indexOf(line);
    if (at < 0) this.#show(line);
    else this.#own.splice(at, 1);
  }

  /** Starts to hold back the telemetry lines that arrive, until {@link release}. */
  hold(): void {
    this.#held = [];
  }

  /** Shows the lines held back since {@link hold}, except the copies of `stdout`, the output in the answer. */
  release(stdout: string): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#own = stdout.split("\n").slice(0, -1);
    for (const line of held) this.receive(line);
  }
}
