/** The output of a command reaches a reader that is slower than the end of the command. */
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { expect, it } from "vitest";

/** More than a pipe and its reader buffer. */
const BYTES = 8_000_000;
/** Longer than an ended command waits for its connections. */
const PAUSE_MS = 1_500;

it("a reader that begins late has the whole output, also while a connection stays open", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  const script = `
    import { connect } from "node:net";
    import { endProcess } from ${JSON.stringify(new URL("./end-process.ts", import.meta.url).href)};
    await new Promise((resolve) => connect(${port}, "127.0.0.1", resolve));
    process.stdout.write("x".repeat(${BYTES}));
    await endProcess();`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  let received = 0;
  for await (const chunk of child.stdout) received += (chunk as Buffer).length;
  const code = child.exitCode ?? (await new Promise((resolve) => child.once("exit", resolve)));
  server.close();
  expect([received, code]).toEqual([BYTES, 0]);
});
