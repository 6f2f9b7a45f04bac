/**
 * The child process of `CliProcess`: runs the `bioxen` command once for every message.
 *
 * It answers each message `{args}` with `{code, stdout, stderr}`, unless the command ends the process.
 */
import { runProgram } from "@bioxen/cli";
import type { CommandResult } from "./cli-process.ts";

const printed = { stdout: "", stderr: "" };

for (const name of ["stdout", "stderr"] as const) {
  // Every run of the command adds a listener; without a limit Node prints no warning.
  process[name].setMaxListeners(0);
  process[name].write = (chunk: string | Uint8Array, ...rest: readonly unknown[]) => {
    printed[name] += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    const onWritten = rest.at(-1);
    if (typeof onWritten === "function") process.nextTick(onWritten);
    return true;
  };
}

process.on("message", async ({ args }: { readonly args: readonly string[] }) => {
  printed.stdout = "";
  printed.stderr = "";
  process.exitCode = undefined;
  await runProgram([process.execPath, "bioxen", ...args]).catch((thrown: unknown) => {
    printed.stderr += String(thrown);
    process.exitCode = -1;
  });
  process.send?.({ code: Number(process.exitCode ?? 0), ...printed } satisfies CommandResult);
});
