/**
 * The state of a Lua prompt: an expression is answered with its value, a statement is run, and an unfinished chunk
 * waits for its next line.
 *
 * The guest has no `load`, so each chunk is first tried as `return <chunk>`. For a statement that attempt has no
 * effect: a chunk that does not compile runs no instruction.
 */
import type { ReplyOf } from "@bioxen/client";
import type { ReplyError } from "@bioxen/kernel";

/** Maximum number of lines of one unfinished chunk. */
const MAX_CHUNK_LINES = 1_000;

export type Exec = (source: string) => Promise<ReplyOf<"vmExec">>;

export type Answer =
  | { readonly kind: "value"; readonly value: unknown; readonly stdout: string }
  | {
      readonly kind: "refused";
      readonly message: string;
      readonly stdout: string;
      readonly error: ReplyError;
    }
  /** No result yet: the chunk is unfinished and continues with the next line. */
  | { readonly kind: "more" };

export class LuaPrompt {
  readonly #exec: Exec;
  #lines: string[] = [];

  constructor(exec: Exec) {
    this.#exec = exec;
  }

  /** True while a chunk is unfinished. */
  get isOpen(): boolean {
    return this.#lines.length > 0;
  }

  /** Discards the unfinished chunk. */
  clear(): void {
    this.#lines = [];
  }

  /** Adds a line to the chunk, and runs the chunk if it is complete. Returns the answer to show. */
  async take(line: string): Promise<Answer> {
    this.#lines.push(line);
    const source = this.#lines.join("\n");
    if (source.trim() === "") {
      this.clear();
      return { kind: "value", value: null, stdout: "" };
    }
    const asExpression = await this.#exec(`return ${source}`);
    const reply = ranNothing(asExpression) ? await this.#exec(source) : asExpression;
    if (isUnfinished(reply) && this.#lines.length < MAX_CHUNK_LINES) return { kind: "more" };
    this.clear();
    if (reply.ok) {
      return { kind: "value", value: reply.result, stdout: reply.stdout };
    }
    const { code, message, details } = reply.error;
    const traceback = details?.["traceback"];
    const stdout = details?.["stdout"];
    return {
      kind: "refused",
      message: `${code}: ${message}${typeof traceback === "string" ? `\n${traceback}` : ""}`,
      stdout: typeof stdout === "string" ? stdout : "",
      error: reply.error,
    };
  }
}

/** Returns whether the chunk ran no instruction, because it did not compile. */
function ranNothing(reply: ReplyOf<"vmExec">): boolean {
  if (reply.ok || reply.error.code !== "GUEST_ERROR") return false;
  return reply.error.details?.["instructions"] === 0;
}

function isUnfinished(reply: ReplyOf<"vmExec">): boolean {
  return ranNothing(reply) && !reply.ok && reply.error.message.endsWith("near <eof>");
}
