/**
 * `bioxen config …`: shows settings with their origin, and changes them in the settings file.
 */

import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { usage } from "../outcome.ts";
import { globalsOf, say, sayJson, sayRaw } from "../run.ts";
import { type Resolved, type Setting, settingOf, settingsFile, withSettings } from "../settings.ts";
import { table } from "../table.ts";
import { paint } from "../terminal.ts";

const EXAMPLES = `
Examples:
  bioxen config show --origin                  every setting with the origin of its value
  bioxen config set server nats://10.0.0.5     use this server in every command
  bioxen config set up.chassis ecoli:2,yeast:1
  bioxen config unset server`;

/** Returns the entry of one setting in the document that `--json` prints, without a password or token. */
export function viewOf({ setting, value, origin }: Resolved) {
  const { key, variable, flags, meaning } = setting;
  return { key, value: shownValue(setting, value) ?? null, origin, variable, flags, meaning };
}

export function addConfigCommands(program: Command): void {
  const config = program
    .command("config")
    .description("settings: from a flag, else the environment, else the settings file, else the default");
  config
    .command("show")
    .description("list every setting")
    .option("--origin", "also show the origin of each value")
    .addHelpText("after", EXAMPLES)
    .action(async (options: { origin?: boolean }, command: Command) => {
      const all = await withSettings(command);
      const file = settingsFile();
      if (globalsOf(command).json === true) return sayJson({ ok: true, file, settings: all.map(viewOf) });
      say(settingTable(all, options.origin === true));
      say(paint("grey", `file: ${file}`));
    });
  config
    .command("get <key>")
    .description("print one setting")
    .addHelpText("after", EXAMPLES)
    .action(async (key: string, _options, command: Command) => {
      settingOf(key);
      const found = (await withSettings(command)).find(({ setting }) => setting.key === key);
      if (found === undefined) return;
      if (globalsOf(command).json === true) sayJson({ ok: true, ...viewOf(found) });
      else sayRaw(valueWords(found));
    });
  config
    .command("set <key> <value>")
    .description("set it in the settings file, which otherwise stays unchanged")
    .addHelpText("after", EXAMPLES)
    .action((key: string, text: string, _options, command: Command) =>
      change(key, parsed(key, text), globalsOf(command).json === true),
    );
  config
    .command("unset <key>")
    .description("remove it from the settings file")
    .addHelpText("after", EXAMPLES)
    .action((key: string, _options, command: Command) => {
      settingOf(key);
      return change(key, undefined, globalsOf(command).json === true);
    });
}

function parsed(key: string, text: string): unknown {
  const { parse } = settingOf(key);
  try {
    return parse(text);
  } catch (thrown) {
    if (thrown instanceof InvalidArgumentError) throw usage(`${key}: ${text}: ${thrown.message}`);
    throw thrown;
  }
}

async function change(key: string, value: unknown, json: boolean): Promise<void> {
  const { withSetting } = await import("../settings-file.ts");
  const file = settingsFile();
  const before = await readFile(file, "utf8").catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return "";
    throw usage(`cannot read ${file}: ${thrown.code ?? thrown.message}`);
  });
  const after = withSetting(before, file, key, value);
  const changed = after !== before;
  if (changed) await replace(file, after);
  if (json) sayJson({ ok: true, changed, file });
  else {
    const now = value === undefined ? "not set" : shownValue(settingOf(key), value);
    say(`${key} is ${now} in ${file}${changed ? "" : " already"}`);
  }
}

/**
 * Replaces the content of the file by `text` atomically: a concurrent reader sees either the old content or the new.
 */
async function replace(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}`;
  try {
    await mkdir(dirname(file), { recursive: true });
    // The URL of the server may carry a password.
    await writeFile(draft, text, { mode: 0o600 });
    await rename(draft, file);
  } catch (thrown) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw usage(`cannot write ${file}: ${(thrown as NodeJS.ErrnoException).code ?? String(thrown)}`);
  }
}

function valueWords({ setting, value }: Resolved): string {
  return value === undefined ? (setting.presetWords ?? "none") : String(shownValue(setting, value));
}

/** Returns the value without the password or token that it may carry. */
function shownValue({ shown }: Setting, value: unknown): unknown {
  return shown === undefined || typeof value !== "string" ? value : shown(value);
}

function settingTable(all: readonly Resolved[], withOrigin: boolean): string {
  const rows = all.map((one) => [
    one.setting.key,
    valueWords(one),
    ...(withOrigin ? [originWords(one)] : []),
    one.setting.meaning,
  ]);
  return table(
    ["SETTING", "VALUE", ...(withOrigin ? ["ORIGIN"] : []), { head: "MEANING", wraps: true }],
    rows,
  );
}

function originWords({ setting, origin }: Resolved): string {
  if (origin === "environment") return setting.variable;
  return origin === "flag" ? (setting.flags.split(" ")[0] ?? "flag") : origin;
}
