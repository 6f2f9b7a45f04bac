/**
 * One `bioxen` process for many command lines: a process of its own for each is most of what a page of the documents would cost.
 *
 * Started by `fork`; for every `{args}` it is sent it answers `{code, output}`. A command that ends the process ends the conversation.
 */
import { runProgram } from "@bioxen/cli";

let output = "";
for (const stream of [process.stdout, process.stderr]) {
  stream.setMaxListeners(0);
  stream.write = (chunk: string | Uint8Array) => {
    output += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    return true;
  };
}

process.on("message", async ({ args }: { readonly args: readonly string[] }) => {
  output = "";
  process.exitCode = undefined;
  await runProgram([process.execPath, "bioxen", ...args]).catch((thrown: unknown) => {
    output += String(thrown);
    process.exitCode = -1;
  });
  process.send?.({ code: Number(process.exitCode ?? 0), output });
});
