/**
 * The Node.js that BioXen needs. An older Node lacks functions that BioXen imports, and would end with a SyntaxError
 * that names one of them. This check therefore runs when a program loads BioXen, and says what is needed.
 */

/** Oldest Node.js that runs BioXen: it has zstd (22.15) and reads modules of both kinds. */
export const OLDEST_NODE = "22.15.0";

/** Returns a sentence about a Node.js that is too old; undefined for a newer one, and outside of Node.js. */
export function nodeProblem(version: string | undefined): string | undefined {
  if (version === undefined) return undefined;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE.split(".").map(Number);
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return undefined;
  return `BioXen needs Node.js ${OLDEST_NODE} or newer, and this is Node.js ${version}`;
}

/** Version of Node.js that runs this program; undefined in a browser. */
export function runningNode(): string | undefined {
  const { process } = globalThis as { process?: { versions?: { node?: string } } };
  return process?.versions?.node;
}
