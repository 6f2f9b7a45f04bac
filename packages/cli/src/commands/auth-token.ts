/**
 * `bioxen auth token`: a bearer token for the HTTP API.
 */
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { type KeysOption, withKeysOption } from "../keys-option.ts";
import { say, sayJson } from "../run.ts";
import { reported } from "./auth-report.ts";

/** Milliseconds of each unit of a duration. */
const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DEFAULT_DAYS = 30;
/** Longest life of a token: a year. A token is a secret in the files of another program, which forgets nothing. */
const MAX_MS = 365 * UNITS.d;

/** Parses a duration such as `12h` or `30d` into ms. */
function durationOption(text: string): number {
  const [, amount, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const ms = Number(amount) * UNITS[unit as keyof typeof UNITS];
  if (unit !== undefined && ms > 0 && ms <= MAX_MS) return ms;
  throw new InvalidArgumentError("must be a duration such as 30m, 12h or 30d, of at most 365d.");
}

interface TokenOptions extends KeysOption {
  readonly expires: number;
}

export function addToken(auth: Command): void {
  withKeysOption(auth.command("token <name>"))
    .description("make a bearer token for the HTTP API, and print it once: it is stored nowhere else")
    .option(
      "--expires <duration>",
      `life of the token, such as 12h or 30d; default: ${DEFAULT_DAYS}d, at most 365d`,
      durationOption,
      DEFAULT_DAYS * UNITS.d,
    )
    .addHelpText("after", "\nExample:\n  bioxen auth token observer --expires 12h")
    .action((name: string, options: TokenOptions, command: Command) =>
      reported(command, async (json) => {
        const { addToken: add, KeyFiles } = await import("@bioxen/auth");
        const { withKeysLocked } = await import("@bioxen/local-stack");
        const { keysOf, principalNamed } = await import("../auth-views.ts");
        const { dir } = await keysOf(options);
        const { token, entry } = await withKeysLocked(dir, async () => {
          const principal = await principalNamed(dir, name);
          const nowMs = Date.now();
          const expiresAtMs = nowMs + options.expires;
          return add(new KeyFiles(dir).gatewayDir, { principal, nowMs, expiresAtMs });
        });
        const { id, expiresAtMs } = entry;
        if (json) return sayJson({ ok: true, token, id, name, expiresAtMs });
        say(token);
      }),
    );
}
