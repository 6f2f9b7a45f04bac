import type { ReplyOf } from "@bioxen/client";
import { describe, expect, it } from "vitest";
import { LuaPrompt } from "./lua-prompt.ts";

type Reply = ReplyOf<"vmExec">;

const refusal = (message: string, details: Record<string, unknown>): Reply => ({
  ok: false,
  error: { code: "GUEST_ERROR", message, retryable: false, details },
});
const value = (result: unknown, stdout = ""): Reply => ({
  ok: true,
  result,
  stdout,
  instructions: 1,
  simMinute: 3,
});

/** A prompt on a guest that compiles only these chunks; `ran` lists those that it ran. */
function promptOn(chunks: Readonly<Record<string, Reply>>) {
  const ran: string[] = [];
  const prompt = new LuaPrompt(async (source) => {
    const reply = chunks[source] ?? refusal("exec:1: syntax error near 'x'", { instructions: 0 });
    if (chunks[source] !== undefined && (reply.ok || reply.error.details?.["instructions"] !== 0))
      ran.push(source);
    return reply;
  });
  return { prompt, ran };
}

describe("a Lua prompt", () => {
  it("answers an expression with its value, and runs it once", async () => {
    const { prompt, ran } = promptOn({ "return 1 + 1": value(2) });
    expect(await prompt.take("1 + 1")).toEqual({ kind: "value", value: 2, stdout: "" });
    expect(ran).toEqual(["return 1 + 1"]);
  });

  it("runs a statement that is not an expression", async () => {
    const { prompt, ran } = promptOn({ "x = 1": value(null) });
    expect((await prompt.take("x = 1")).kind).toBe("value");
    expect(ran).toEqual(["x = 1"]);
  });

  it("does not repeat a chunk that failed while it ran", async () => {
    const failed = refusal("exec:1: boom", {
      instructions: 7,
      traceback: "stack traceback:",
      stdout: "a\n",
    });
    const { prompt, ran } = promptOn({ "return f()": failed, "f()": value("never") });
    const answer = await prompt.take("f()");
    expect(answer).toMatchObject({
      kind: "refused",
      error: { code: "GUEST_ERROR" },
      message: "GUEST_ERROR: exec:1: boom\nstack traceback:",
      stdout: "a\n",
    });
    expect(ran).toEqual(["return f()"]);
  });

  it("waits for the rest of a chunk, and runs it whole", async () => {
    const open = refusal("exec:1: 'end' expected near <eof>", { instructions: 0 });
    const { prompt } = promptOn({ "for i = 1, 2 do": open, "for i = 1, 2 do\nend": value(null) });
    expect(await prompt.take("for i = 1, 2 do")).toEqual({ kind: "more" });
    expect(prompt.isOpen).toBe(true);
    expect((await prompt.take("end")).kind).toBe("value");
    expect(prompt.isOpen).toBe(false);
  });

  it("discards an unfinished chunk on request, and a malformed one by itself", async () => {
    const { prompt } = promptOn({ do: refusal("exec:1: 'end' expected near <eof>", { instructions: 0 }) });
    await prompt.take("do");
    prompt.clear();
    expect(prompt.isOpen).toBe(false);
    expect((await prompt.take("end end")).kind).toBe("refused");
    expect(prompt.isOpen).toBe(false);
  });
});
