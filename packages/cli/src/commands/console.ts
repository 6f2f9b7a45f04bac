/**
 * `bioxen console`: opens the web console of the local stack, logged in by a one-time code.
 *
 * The code is in the fragment of the URL, which a browser sends to no server and the console removes at once. The code
 * comes from the directory of the keys, so only the owner of the keys can make one.
 */
import { spawn } from "node:child_process";
import { findLocalStack } from "@bioxen/nats";
import type { Command } from "commander";
import { CommandEnd, EXIT_REFUSED } from "../outcome.ts";
import { note, say, sayJson } from "../run.ts";
import { unreachable } from "../session.ts";
import { reported } from "./auth-report.ts";

interface ConsoleOptions {
  readonly as: string;
  readonly open: boolean;
}

/** The program that opens a URL in the browser of the user. */
const OPENERS: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: "open", linux: "xdg-open" };

export function addConsoleCommand(program: Command): void {
  program
    .command("console")
    .description(
      "open the web console of the local stack in a browser; the printed address works once, for 60 s",
    )
    .option("--as <name>", "the principal that the console acts as", "admin")
    .option("--no-open", "only print the address")
    .action((options: ConsoleOptions, command: Command) =>
      reported(command, async (json) => {
        const { url, expiresAtMs } = await loginAddress(options.as);
        if (json) return sayJson({ ok: true, url, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) });
        say(url);
        if (options.open && process.stdout.isTTY) openInBrowser(url);
      }),
    );
}

/** Returns the address of the console. With keys, it has a one-time code, which expires. */
async function loginAddress(as: string): Promise<{ readonly url: string; readonly expiresAtMs?: number }> {
  const stack = await findLocalStack();
  if (stack === undefined) throw unreachable();
  const { consoleUrl, keysDir } = stack;
  if (consoleUrl === undefined) {
    const message = "the local stack runs without the console: start it again without --no-console";
    const error = { code: "UNAVAILABLE", message, retryable: false };
    throw new CommandEnd(EXIT_REFUSED, message, error);
  }
  if (keysDir === undefined) return { url: consoleUrl };
  const { addCode, CODE_MS, KeyFiles } = await import("@bioxen/auth");
  const { principalNamed } = await import("../auth-views.ts");
  const nowMs = Date.now();
  const principal = await principalNamed(keysDir, as);
  const code = await addCode(new KeyFiles(keysDir).gatewayDir, { principal, nowMs });
  return { url: `${consoleUrl}/#code=${code}`, expiresAtMs: nowMs + CODE_MS };
}

function openInBrowser(url: string): void {
  const opener = OPENERS[process.platform];
  if (opener === undefined) return;
  const child = spawn(opener, [url], { stdio: "ignore", detached: true });
  child.once("error", () => note("no browser was found: open the address yourself"));
  child.unref();
}
