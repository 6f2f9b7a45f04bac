/**
 * The XCP-ng pool of `bioxen up`: its options, and whether it can be had.
 */
import { type LocalPool, poolProblemOf } from "@bioxen/local-stack";
import type { Command } from "commander";
import { CommandEnd, EXIT_REFUSED } from "../outcome.ts";

export interface PoolOptions {
  readonly xcpng?: string;
  readonly xcpngFingerprint?: string;
  readonly xcpngTemplate?: string;
}

export function withPoolOptions(command: Command): Command {
  return command
    .option(
      "--xcpng <url>",
      "an XCP-ng pool; its password comes from BIOXEN_XCPNG_PASSWORD or BIOXEN_XCPNG_PASSWORD_FILE",
    )
    .option(
      "--xcpng-fingerprint <sha256>",
      "of the pool's certificate; other members as host=sha256, by commas",
    )
    .option("--xcpng-template <name>", "template of VMs that name none; default bioxen-guest");
}

/** The pool that was named, once it answers and has its template; ends the command otherwise. */
export async function poolOf(options: PoolOptions): Promise<LocalPool | undefined> {
  if (options.xcpng === undefined) return undefined;
  const pool: LocalPool = {
    url: options.xcpng,
    fingerprint: options.xcpngFingerprint,
    template: options.xcpngTemplate,
  };
  const message = await poolProblemOf(pool);
  if (message === undefined) return pool;
  throw new CommandEnd(EXIT_REFUSED, message, { code: "UNAVAILABLE", message, retryable: false });
}
