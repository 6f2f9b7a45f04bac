/**
 * Extensions: packages of others that configuration names. Each is looked for where the process was started, then beside this
 * package; it is imported and checked before the service begins, and what is wrong is the configuration's error: the process ends with
 * {@link EXIT_MISCONFIGURED} and says why. What an extension throws later is contained by whoever calls it.
 *
 * An extension runs in the process that loads it, with its rights: only name packages you trust.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { messageOf } from "@bioxen/kernel";
import { ConfigError } from "./config.ts";

/** What is wrong with an exported value, one sentence each; empty: it is what the extension point takes. */
export type ExtensionCheck = (value: unknown) => readonly string[];

export interface ExtensionPoint {
  /** The variable that named the package. */
  readonly variable: string;
  /** What the package has to export. */
  readonly exported: string;
  readonly check: ExtensionCheck;
}

/** The export of the package. Throws {@link ConfigError}: it is not there, does not load, or is not what it has to be. */
export async function loadExtension<T>(packageName: string, point: ExtensionPoint): Promise<T> {
  const wrong = (problem: string) => new ConfigError([`${point.variable}: ${packageName}: ${problem}`]);
  const path = resolved(packageName);
  if (path === undefined) {
    throw wrong("there is no such package here: install it where the service is started");
  }
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await import(pathToFileURL(path).href);
  } catch (thrown) {
    throw wrong(`does not load: ${messageOf(thrown)}`);
  }
  if (!(point.exported in module)) throw wrong(`exports no ${point.exported}`);
  const value = module[point.exported];
  const problems = point.check(value);
  if (problems.length > 0) throw wrong(`its ${point.exported}: ${problems.join("; ")}`);
  return value as T;
}

/**
 * What the package's factory makes when it is called with `argument`; `check` is of that. Throws {@link ConfigError}, also when the
 * factory throws: it has read its own configuration then.
 */
export async function createExtension<T>(
  packageName: string,
  { variable, exported, check }: ExtensionPoint,
  argument: unknown,
): Promise<T> {
  const point = { variable, exported, check: functionCheck };
  const create = await loadExtension<(argument: unknown) => unknown>(packageName, point);
  const wrong = (problem: string) => new ConfigError([`${variable}: ${packageName}: ${problem}`]);
  let made: unknown;
  try {
    made = await create(argument);
  } catch (thrown) {
    throw wrong(`${exported} failed: ${messageOf(thrown)}`);
  }
  const problems = check(made);
  if (problems.length > 0) throw wrong(`what ${exported} made: ${problems.join("; ")}`);
  return made as T;
}

function resolved(packageName: string): string | undefined {
  for (const from of [pathToFileURL(join(process.cwd(), "package.json")).href, import.meta.url]) {
    try {
      return createRequire(from).resolve(packageName);
    } catch {
      // The next place.
    }
  }
  return undefined;
}

/** Problems of an object that must have these methods. */
export function missingMethods(value: unknown, names: readonly string[]): readonly string[] {
  if (typeof value !== "object" || value === null) return ["is not an object"];
  const has = value as Readonly<Record<string, unknown>>;
  return names.filter((name) => typeof has[name] !== "function").map((name) => `has no method ${name}`);
}

const functionCheck: ExtensionCheck = (value) => (typeof value === "function" ? [] : ["is not a function"]);
