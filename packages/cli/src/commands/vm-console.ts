/**
 * `bioxen vm console ID`: a Lua prompt inside a running VM. It attaches and detaches; the VM goes on, and so do other consoles.
 */
import { createInterface } from "node:readline";
import { vmLogSubject } from "@bioxen/contracts";
import type { Command } from "commander";
import { type Answer, LuaPrompt } from "../lua-prompt.ts";
import { refused } from "../outcome.ts";
import { note, say, sayJson, withSession } from "../run.ts";
import type { Session } from "../session.ts";
import { paint } from "../terminal.ts";

export function addConsoleCommand(vm: Command): void {
  vm.command("console <id>")
    .description("a Lua prompt in a running VM; Ctrl-D detaches, the VM goes on")
    .action(async (vmId: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const { vm: view } = await session.ask("vmGet", { vmId });
        if (view.vmType === "xcpng") {
          const message = `${vmId} is a machine and has no Lua prompt: run programs in it with bioxen vm exec ${vmId} -e 'uname -a'`;
          throw refused({ code: "UNSUPPORTED", message, retryable: false });
        }
        if (json === true) return attach(session, vmId, false, showAsJson, (line) => sayJson({ line }));
        const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
        if (isTerminal) note(`${vmId} (${view.biologicalType}) is ${view.state}. Ctrl-D detaches.`);
        await attach(session, vmId, isTerminal, showInWords, (line) => say(paint("grey", line)));
        if (isTerminal) note(`\ndetached: ${vmId} goes on`);
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

/** Resolves at the end of input. */
async function attach(
  session: Session,
  vmId: string,
  isTerminal: boolean,
  show: (answer: Finished) => void,
  showHeard: (line: string) => void,
): Promise<void> {
  const prompt = new LuaPrompt((source) => session.call("vmExec", { vmId, source }));
  const lines = createInterface({
    input: process.stdin,
    ...(isTerminal ? { output: process.stdout } : {}),
    terminal: isTerminal,
  });
  const ask = () => {
    if (!isTerminal) return;
    lines.setPrompt(`${vmId}${prompt.isOpen ? ">>" : ">"} `);
    lines.prompt(true);
  };
  const heard = new HeardLines((line) => {
    if (isTerminal) process.stdout.write("\r\u001b[K");
    showHeard(line);
    ask();
  });
  session.bus.subscribe(vmLogSubject(vmId), (payload) => heard.hear((payload as { line: string }).line));
  lines.on("SIGINT", () => {
    prompt.clear();
    process.stdout.write("^C\n");
    lines.write(null, { ctrl: true, name: "u" });
    ask();
  });
  ask();
  for await (const line of lines) {
    heard.hold();
    const answer = await prompt.take(line);
    heard.release(answer.kind === "more" ? "" : answer.stdout);
    if (answer.kind !== "more") show(answer);
    ask();
  }
}

/**
 * What the guest prints by itself, or for another console. What it prints for this one comes with the answer, and here too, before
 * or after it: that is left out.
 */
class HeardLines {
  readonly #tell: (line: string) => void;
  /** Lines heard while an answer is awaited. */
  #held: string[] | undefined;
  /** Lines of answers that are still to be heard, and not to be told. */
  #own: string[] = [];

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  hear(line: string): void {
    if (this.#held !== undefined) {
      this.#held.push(line);
      return;
    }
    const at = this.#own.indexOf(line);
    if (at < 0) this.#tell(line);
    else this.#own.splice(at, 1);
  }

  hold(): void {
    this.#held = [];
  }

  /** The answer has come, with what was printed for it. */
  release(stdout: string): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#own = stdout.split("\n").slice(0, -1);
    for (const line of held) this.hear(line);
  }
}
