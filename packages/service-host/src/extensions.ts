/**
 * Extensions: packages of other authors that the configuration names.
 *
 * A package is resolved from the working directory of the process, then from this package. It is imported and checked
 * before the service begins. A problem is an error of the configuration: the process ends with {@link
 * EXIT_MISCONFIGURED} and the reason. The callers of an extension catch the exceptions that it throws later.
 *
 * An extension runs in the process that loads it, with the rights of that process: name only packages that you trust.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { messageOf } from "@bioxen/kernel";
import { ConfigError } from "./config.ts";

/** Returns the problems of an exported value, one sentence each; empty for a valid one. */
export type ExtensionCheck = (value: unknown) => readonly string[];

export interface ExtensionPoint {
  /** The environment variable that names the package. */
  readonly variable: string;
  /** The name of the required export. */
  readonly exported: string;
  readonly check: ExtensionCheck;
}

/** Returns the package's export. Throws {@link ConfigError} when the package or the export is missing or invalid. */
export async function loadExtension<T>(packageName: string, point: ExtensionPoint): Promise<T> {
  const wrong = (problem: string) => new ConfigError([`${point.variable}: ${packageName}: ${problem}`]);
  const url = extensionUrl(packageName, point.variable);
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await import(url);
  } catch (thrown) {
    throw wrong(`the import failed: ${messageOf(thrown)}`);
  }
  if (!(point.exported in module)) throw wrong(`it exports no ${point.exported}`);
  const value = module[point.exported];
  const problems = point.check(value);
  if (problems.length > 0) throw wrong(`its export ${point.exported}: ${problems.join("; ")}`);
  return value as T;
}

/**
 * Returns the URL of the package's module, without importing it. Throws {@link ConfigError} when the package is missing;
 * `variable` is what names the package.
 */
export function extensionUrl(packageName: string, variable: string): string {
  const path = resolved(packageName);
  if (path !== undefined) return pathToFileURL(path).href;
  throw new ConfigError([
    `${variable}: ${packageName}: package not found: install it where the service starts`,
  ]);
}

/**
 * Calls the package's factory with `argument`, checks the result with `check`, and returns it. Throws {@link
 * ConfigError} if the check fails. A factory reads the extension's own configuration, so an error of the factory is
 * thrown as {@link ConfigError} too.
 */
export async function createExtension<T>(
  packageName: string,
  { variable, exported, check }: ExtensionPoint,
  argument: unknown,
): Promise<T> {
  const point = { variable, exported, check: functionCheck };
  const create = await loadExtension<(argument: unknown) => unknown>(packageName, point);
  const wrong = (problem: string) => new ConfigError([`${variable}: ${packageName}: ${problem}`]);
  let created: unknown;
  try {
    created = await create(argument);
  } catch (thrown) {
    throw wrong(`${exported} failed: ${messageOf(thrown)}`);
  }
  const problems = check(created);
  if (problems.length > 0) throw wrong(`the result of ${exported}: ${problems.join("; ")}`);
  return created as T;
}

function resolved(packageName: string): string | undefined {
  for (const from of [pathToFileURL(join(process.cwd(), "package.json")).href, import.meta.url]) {
    try {
      return createRequire(from).resolve(packageName);
    } catch {
      // Try the next location.
    }
  }
  return undefined;
}

/** Returns the problems of an object that must have these methods. */
export function missingMethods(value: unknown, names: readonly string[]): readonly string[] {
  if (typeof value !== "object" || value === null) return ["is not an object"];
  const object = value as Readonly<Record<string, unknown>>;
  return names.filter((name) => typeof object[name] !== "function").map((name) => `has no method ${name}`);
}

const functionCheck: ExtensionCheck = (value) => (typeof value === "function" ? [] : ["is not a function"]);
