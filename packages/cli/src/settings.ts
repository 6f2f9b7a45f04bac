/**
 * The settings of the `bioxen` command. A value comes from a flag, else the environment, else the settings file, else
 * the default.
 *
 * This table is the only definition of each setting: its key in the file, its variable, its flag, its values and its
 * meaning.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { CHASSIS_TYPES, suggestion } from "@bioxen/contracts";
import {
  DEFAULT_CHASSIS,
  DEFAULT_STACK_TIME_SCALE,
  MAX_STACK_TIME_SCALE,
} from "@bioxen/local-stack/defaults";
import {
  SETTING_VARIABLES,
  type SettingName,
  type SettingNames,
  shownPath,
  shownServers,
} from "@bioxen/nats";
import { type Command, InvalidArgumentError, Option } from "commander";
import { chassisCounts } from "./chassis-list.ts";
import { usage } from "./outcome.ts";
import { integerIn, numberIn, portOption } from "./parse.ts";

/**
 * Default deadline of one request, ms. Within this time the scheduler either places a VM that starts, or reports why
 * the VM must wait.
 */
export const DEFAULT_TIMEOUT_MS = 10_000;
/** Longest deadline of a request, ms: a day. A timer of Node cannot run longer than 24.8 days. */
const MAX_TIMEOUT_MS = 86_400_000;
/** Slowest time scale of a stack, simulated minutes per second. One simulated minute then takes 17 minutes. */
const MIN_TIME_SCALE = 0.001;
/** Maximum number of chassis of one type that an agent runs. */
const MAX_CHASSIS_OF_TYPE = 64;
/** Environment variable with the path of a settings file outside the XDG configuration directory. */
const FILE_VARIABLE = "BIOXEN_CONFIG";

export interface Setting {
  /**
   * Key of the setting in the settings file and in `bioxen config`. `up.chassis` stands for `chassis` in the group
   * `up`.
   */
  readonly key: string;
  readonly variable: string;
  readonly flags: string;
  readonly meaning: string;
  readonly choices?: readonly string[];
  /** Converts the text of the setting to its value. Throws `InvalidArgumentError` for an invalid text. */
  readonly parse: (text: string) => unknown;
  /** The default value; undefined when the setting has none, or when `presetWords` describes the default instead. */
  readonly preset?: unknown;
  readonly presetWords?: string;
  /** Returns the text that the output shows instead of the value; absent: the output shows the value itself. */
  readonly shown?: (value: string) => string;
}

const asIs = (text: string) => text;

/**
 * Checks a list of chassis before any process starts, and rejects an invalid list. Returns the text unchanged, because
 * the agent parses it.
 */
function chassisList(text: string): string {
  const types = CHASSIS_TYPES.filter((type) => type !== "xcpng");
  if (text.trim() !== "") chassisCounts(text, types, MAX_CHASSIS_OF_TYPE);
  return text;
}

const DURABILITIES = ["always", "relaxed"] as const;

export const SETTINGS: readonly Setting[] = [
  {
    key: "server",
    variable: SETTING_VARIABLES.servers,
    flags: "--server <url>",
    meaning: "NATS server",
    parse: asIs,
    presetWords: "the local stack",
    shown: shownServers,
  },
  {
    key: "creds",
    variable: SETTING_VARIABLES.creds,
    flags: "--creds <file>",
    meaning: "credentials for the NATS server: a file with an nkey seed, or a .creds file",
    parse: asIs,
    shown: shownPath,
    presetWords: "none",
  },
  {
    key: "ca",
    variable: SETTING_VARIABLES.ca,
    flags: "--ca <file>",
    meaning: "authority that signed the NATS server's certificate",
    parse: asIs,
    shown: shownPath,
    presetWords: "the authorities of Node.js",
  },
  {
    key: "cert",
    variable: SETTING_VARIABLES.cert,
    flags: "--cert <file>",
    meaning: "client certificate for the NATS server",
    parse: asIs,
    shown: shownPath,
    presetWords: "none",
  },
  {
    key: "key",
    variable: SETTING_VARIABLES.key,
    flags: "--key <file>",
    meaning: "private key of the client certificate",
    parse: asIs,
    shown: shownPath,
    presetWords: "none",
  },
  {
    key: "domain",
    variable: SETTING_VARIABLES.domain,
    flags: "--domain <name>",
    meaning: "JetStream domain of the streams",
    parse: asIs,
    presetWords: "that of the server",
  },
  {
    key: "timeout",
    variable: "BIOXEN_TIMEOUT_MS",
    flags: "--timeout <ms>",
    meaning: "deadline of each request, ms",
    parse: integerIn({ min: 1, max: MAX_TIMEOUT_MS }),
    presetWords: String(DEFAULT_TIMEOUT_MS),
  },
  {
    key: "up.chassis",
    variable: "BIOXEN_UP_CHASSIS",
    flags: "--chassis <list>",
    meaning: "chassis that the agent runs, such as ecoli:2,yeast:1",
    parse: chassisList,
    preset: DEFAULT_CHASSIS,
  },
  {
    key: "up.data",
    variable: "BIOXEN_UP_DATA",
    flags: "--data <dir>",
    meaning: "data directory of the stack",
    parse: asIs,
    presetWords: "data in BIOXEN_HOME or in the XDG data directory",
  },
  {
    key: "up.port",
    variable: "BIOXEN_UP_PORT",
    flags: "--port <n>",
    meaning: "port of the NATS server",
    parse: portOption,
    presetWords: "a free port",
  },
  {
    key: "up.timeScale",
    variable: "BIOXEN_UP_TIME_SCALE",
    flags: "--time-scale <n>",
    meaning: "simulated minutes per real second",
    parse: numberIn({ min: MIN_TIME_SCALE, max: MAX_STACK_TIME_SCALE }),
    preset: DEFAULT_STACK_TIME_SCALE,
  },
  {
    key: "up.durability",
    variable: "BIOXEN_UP_DURABILITY",
    flags: "--durability <how>",
    meaning: "always (synced to disk before the reply) or relaxed",
    choices: DURABILITIES,
    parse: (text) => {
      if (DURABILITIES.some((one) => one === text)) return text;
      const known = DURABILITIES.join(", ");
      throw new InvalidArgumentError(`must be one of ${known}${suggestion(text, DURABILITIES)}.`);
    },
    preset: "always",
  },
];

/** The settings of the connection to NATS, which every command has as flags. */
export const CONNECTION_KEYS = ["server", "creds", "ca", "cert", "key", "domain"] as const;
export type ConnectionKey = (typeof CONNECTION_KEYS)[number];

/**
 * Returns the name of each connection setting for error texts. The name is the flag if the flag was given, else the
 * environment variable if the variable is set. Otherwise the name lists the flag, the variable and the settings key.
 */
export function connectionNames(fromFlags: readonly ConnectionKey[], env = process.env): SettingNames {
  const nameOf = (key: ConnectionKey): string => {
    const { flags, variable } = settingOf(key);
    const flag = flags.split(" ")[0] ?? "";
    if (fromFlags.includes(key)) return flag;
    return env[variable] ? variable : `${flag}, ${variable} or config ${key}`;
  };
  const named = CONNECTION_KEYS.map((key): [SettingName, string] => [
    key === "server" ? "servers" : key,
    nameOf(key),
  ]);
  return Object.fromEntries(named) as Record<SettingName, string>;
}

/**
 * Returns the setting with this key. An unknown key ends the command with exit code 2; the error text suggests the
 * closest key.
 */
export function settingOf(key: string): Setting {
  const found = SETTINGS.find((setting) => setting.key === key);
  if (found !== undefined) return found;
  const keys = SETTINGS.map((setting) => setting.key);
  throw usage(`unknown setting ${key}${suggestion(key, keys)}; the settings are ${keys.join(", ")}`);
}

/**
 * Returns the command line options for the settings with these keys. When the user leaves out a flag,
 * {@link withSettings} later gives its option the value of the setting.
 */
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
  /** Value of the setting; undefined when it is not set and has no fixed default (see {@link Setting.preset}). */
  readonly value: unknown;
  readonly origin: Origin;
}

/**
 * Returns the path of the settings file: `BIOXEN_CONFIG`, else `bioxen/config.yaml` in the XDG configuration directory.
 */
export function settingsFile(env: NodeJS.ProcessEnv = process.env): string {
  const named = env[FILE_VARIABLE];
  return named || join(env["XDG_CONFIG_HOME"] || join(homedir(), ".config"), "bioxen", "config.yaml");
}

/**
 * Returns the values in the settings file as text, by key; empty when the file does not exist. An invalid file ends the
 * command; the error text lists every problem.
 */
export async function readSettingsFile(path: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(path, "utf8").catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return undefined;
    throw usage(`cannot read ${path}: ${thrown.code ?? thrown.message}`);
  });
  if (text === undefined) return new Map();
  // The YAML parser is loaded only here: most users have no settings file, and a command should start fast.
  const { settingsIn } = await import("./settings-file.ts");
  return settingsIn(
    text,
    path,
    SETTINGS.map(({ key }) => key),
  );
}

/** Returns every setting with its value and the origin of the value. Flags on the command line are not considered. */
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

/**
 * Gives each option of the command the value of its setting, unless the user has passed the flag of that option.
 * Returns all settings, each with its value and the origin of the value.
 */
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
