/**
 * The XCP-ng pool of `bioxen up`: its options, and a check that it can be used.
 */
import { checkPoolOf, type LocalPool } from "@bioxen/local-stack";
import type { Command } from "commander";
import { CommandEnd, EXIT_REFUSED } from "../outcome.ts";
import { note } from "../run.ts";

export interface PoolOptions {
  readonly xcpng?: string;
  readonly xcpngFingerprint?: string;
  readonly xcpngTemplate?: string;
}

export function withPoolOptions(command: Command): Command {
  return command
    .option(
      "--xcpng <url>",
      "URL of an XCP-ng pool; its password comes from BIOXEN_XCPNG_PASSWORD or BIOXEN_XCPNG_PASSWORD_FILE",
    )
    .option(
      "--xcpng-fingerprint <sha256>",
      "fingerprint of the pool's certificate; more members as host=sha256, separated by commas",
    )
    .option("--xcpng-template <name>", "template for VMs without --template; default bioxen-guest");
}

/**
 * Returns the pool that the options name; undefined when they name none. Notes what will not work on it. Ends the command when the pool is unreachable
 * or lacks its template.
 */
export async function poolOf(options: PoolOptions): Promise<LocalPool | undefined> {
  if (options.xcpng === undefined) return undefined;
  const pool: LocalPool = {
    url: options.xcpng,
    fingerprint: options.xcpngFingerprint,
    template: options.xcpngTemplate,
  };
  const { problem: message, warning } = await checkPoolOf(pool);
  if (warning !== undefined) note(warning);
  if (message === undefined) return pool;
  throw new CommandEnd(EXIT_REFUSED, message, { code: "UNAVAILABLE", message, retryable: false });
}
