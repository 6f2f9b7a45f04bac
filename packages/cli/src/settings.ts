/**
 * What can be set for every command to come, instead of with each: by a flag, else the environment, else the file, else the default.
 *
 * Each setting is named here and nowhere else: its key in the file, its variable, its flag, what it takes and what it means.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { CHASSIS_TYPES } from "@bioxen/contracts";
import { DEFAULT_CHASSIS, DEFAULT_STACK_TIME_SCALE } from "@bioxen/local-stack";
import { type Command, InvalidArgumentError, Option } from "commander";
import { chassisCounts } from "./chassis-list.ts";
import { suggestion } from "./did-you-mean.ts";
import { usage } from "./outcome.ts";
import { integerOption, numberOption } from "./parse.ts";

/** Deadline of one request, ms, unless something else is set: a start that has to wait for its place is decided in less. */
export const DEFAULT_TIMEOUT_MS = 10_000;
/** Chassis of one type that an agent takes. */
const MAX_CHASSIS_OF_TYPE = 64;
/** Another place of the file than the XDG one. */
const FILE_VARIABLE = "BIOXEN_CONFIG";

export interface Setting {
  /** In the file and for `bioxen config`: `up.chassis` is `chassis` under `up`. */
  readonly key: string;
  readonly variable: string;
  readonly flags: string;
  readonly meaning: string;
  readonly choices?: readonly string[];
  /** From text to what a command takes; throws `InvalidArgumentError`. */
  readonly parse: (text: string) => unknown;
  /** Undefined: none, or in words. */
  readonly preset?: unknown;
  readonly presetWords?: string;
}

const asIs = (text: string) => text;

/** As it was given: the agent reads it. Checked here, before anything is started. */
function chassisList(text: string): string {
  const types = CHASSIS_TYPES.filter((type) => type !== "xcpng");
  if (text.trim() !== "") chassisCounts(text, types, MAX_CHASSIS_OF_TYPE);
  return text;
}

function milliseconds(text: string): number {
  const value = integerOption(text);
  if (value < 1) throw new InvalidArgumentError("must be at least 1.");
  return value;
}

const DURABILITIES = ["always", "relaxed"] as const;

export const SETTINGS: readonly Setting[] = [
  {
    key: "server",
    variable: "BIOXEN_NATS_URL",
    flags: "--server <url>",
    meaning: "NATS server",
    parse: asIs,
    presetWords: "the local stack",
  },
  {
    key: "timeout",
    variable: "BIOXEN_TIMEOUT_MS",
    flags: "--timeout <ms>",
    meaning: "deadline of each request, ms",
    parse: milliseconds,
    presetWords: String(DEFAULT_TIMEOUT_MS),
  },
  {
    key: "up.chassis",
    variable: "BIOXEN_UP_CHASSIS",
    flags: "--chassis <list>",
    meaning: "chassis of the agent, as ecoli:2,yeast:1",
    parse: chassisList,
    preset: DEFAULT_CHASSIS,
  },
  {
    key: "up.data",
    variable: "BIOXEN_UP_DATA",
    flags: "--data <dir>",
    meaning: "where everything is kept",
    parse: asIs,
    presetWords: "data in BIOXEN_HOME, else in the XDG data directory",
  },
  {
    key: "up.port",
    variable: "BIOXEN_UP_PORT",
    flags: "--port <n>",
    meaning: "port of the NATS server",
    parse: integerOption,
    presetWords: "a free one",
  },
  {
    key: "up.timeScale",
    variable: "BIOXEN_UP_TIME_SCALE",
    flags: "--time-scale <n>",
    meaning: "simulated minutes per second",
    parse: numberOption,
    preset: DEFAULT_STACK_TIME_SCALE,
  },
  {
    key: "up.durability",
    variable: "BIOXEN_UP_DURABILITY",
    flags: "--durability <how>",
    meaning: "always (synced) or relaxed",
    choices: DURABILITIES,
    parse: (text) => {
      if (DURABILITIES.some((one) => one === text)) return text;
      const known = DURABILITIES.join(", ");
      throw new InvalidArgumentError(`must be one of ${known}${suggestion(text, DURABILITIES)}.`);
    },
    preset: "always",
  },
];

/** The setting with this key; ends the command with what was probably meant. */
export function settingOf(key: string): Setting {
  const found = SETTINGS.find((setting) => setting.key === key);
  if (found !== undefined) return found;
  const keys = SETTINGS.map((setting) => setting.key);
  throw usage(`there is no setting ${key}${suggestion(key, keys)}: there are ${keys.join(", ")}`);
}

/** Options of a command that are settings. What they take beside the flag is found before the command acts. */
export function settingOptions(...keys: readonly string[]): Option[] {
  return keys.map((key) => {
    const { flags, meaning, variable, choices, parse, preset, presetWords } = settingOf(key);
    const otherwise = presetWords === undefined ? "" : `; default: ${presetWords}`;
    const option = new Option(flags, `${meaning}${otherwise} (${variable}, config ${key})`);
    if (choices !== undefined) option.choices(choices);
    return option.argParser((text) => parse(text)).default(preset);
  });
}

export type Origin = "flag" | "environment" | "file" | "default";

export interface Resolved {
  readonly setting: Setting;
  /** Undefined: nothing is set, and there is no default but one in words. */
  readonly value: unknown;
  readonly origin: Origin;
}

/** `BIOXEN_CONFIG`, else in the XDG configuration directory. */
export function settingsFile(env: NodeJS.ProcessEnv = process.env): string {
  const named = env[FILE_VARIABLE];
  return named || join(env["XDG_CONFIG_HOME"] || join(homedir(), ".config"), "bioxen", "config.yaml");
}

/** What the file says, as text by key. Ends the command with every problem of it. */
export async function readSettingsFile(path: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(path, "utf8").catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return undefined;
    throw usage(`cannot read ${path}: ${thrown.code ?? thrown.message}`);
  });
  if (text === undefined) return new Map();
  // Loaded here: most people have no such file.
  const { settingsIn } = await import("./settings-file.ts");
  return settingsIn(text, path);
}

/** Of all settings, without flags. */
export async function resolveSettings(env: NodeJS.ProcessEnv = process.env): Promise<Resolved[]> {
  const file = await readSettingsFile(settingsFile(env));
  return SETTINGS.map((setting) => {
    const fromEnvironment = env[setting.variable];
    if (fromEnvironment) return resolved(setting, fromEnvironment, "environment", setting.variable);
    const fromFile = file.get(setting.key);
    if (fromFile !== undefined) return resolved(setting, fromFile, "file", setting.key);
    return { setting, value: setting.preset, origin: "default" };
  });
}

function resolved(setting: Setting, text: string, origin: Origin, name: string): Resolved {
  try {
    return { setting, value: setting.parse(text), origin };
  } catch (thrown) {
    if (thrown instanceof InvalidArgumentError) throw usage(`${name}: ${text}: ${thrown.message}`);
    throw thrown;
  }
}

/** What a command was not given by flag it gets from where else it is set; what it has then. */
export async function withSettings(command: Command): Promise<Resolved[]> {
  const all = await resolveSettings();
  return all.map((one) => {
    const option = command.options.find(({ flags }) => flags === one.setting.flags);
    if (option === undefined) return one;
    const name = option.attributeName();
    if (command.getOptionValueSource(name) === "cli") {
      return { ...one, value: command.getOptionValue(name) as unknown, origin: "flag" };
    }
    if (one.origin !== "default") command.setOptionValueWithSource(name, one.value, "config");
    return one;
  });
}
