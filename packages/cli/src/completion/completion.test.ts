/**
 * Runs the completion scripts in real shells: always in bash, in zsh and fish when they are installed.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandPaths, createProgram } from "../program.ts";
import { bashCompletion } from "./bash.ts";
import { fishCompletion } from "./fish.ts";
import { completionTree } from "./tree.ts";
import { zshCompletion } from "./zsh.ts";

const TREE = completionTree(await createProgram());
/** Ids that the stub of `bioxen __ids` prints in place of a running BioXen. */
const IDS = { vm: ["cell-1", "cell-2"], chassis: ["ecoli-1"], rule: ["chassis-lost"] };

let directory: string;
let bashScript: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "bioxen-completion-"));
  const stub = Object.entries(IDS).map(([kind, ids]) => `    ${kind}) printf '%s\\n' ${ids.join(" ")} ;;`);
  writeFileSync(join(directory, "bioxen"), `#!/bin/sh\ncase "$2" in\n${stub.join("\n")}\nesac\n`, {
    mode: 0o755,
  });
  bashScript = join(directory, "bioxen.bash");
  writeFileSync(bashScript, bashCompletion(TREE));
  writeFileSync(join(directory, "bioxen.zsh"), zshCompletion(TREE));
  writeFileSync(join(directory, "bioxen.fish"), fishCompletion(TREE));
  writeFileSync(join(directory, "fleet.yaml"), "");
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const environment = () => ({ ...process.env, PATH: `${directory}:${process.env["PATH"]}` });

/** The words that bash offers for each line; the last word of a line is the one being completed. */
function bashOffers(...lines: readonly string[]): string[][] {
  const steps = lines.map((line) => {
    const words = line.split(" ").map((word) => `'${word}'`);
    const typed = `COMP_WORDS=(${words.join(" ")}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))`;
    return `${typed}; _bioxen; echo "\${COMPREPLY[*]}"`;
  });
  const script = [`source ${bashScript}`, ...steps].join("\n");
  const options = { encoding: "utf8", env: environment(), cwd: directory } as const;
  const out = execFileSync("bash", ["--norc", "-c", script], options);
  return out
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split(" ").filter(Boolean));
}

const offered = (line: string) => bashOffers(line)[0] ?? [];

describe("completion in bash", () => {
  it("offers every command after its parent, and every option after its command", async () => {
    const commands = TREE.filter(({ commands: children }) => children.length > 0);
    const offers = bashOffers(...commands.map(({ path }) => `bioxen ${path} `.replace("  ", " ")));
    expect(offers).toEqual(commands.map(({ commands: children }) => children.map(({ name }) => name)));
    const paths = await commandPaths();
    const leaves = TREE.filter(({ path }) => paths.includes(path));
    expect(leaves).toHaveLength(paths.length);
    const flags = bashOffers(...leaves.map(({ path }) => `bioxen ${path} -`));
    expect(flags).toEqual(leaves.map(({ options }) => options.flatMap((option) => option.flags)));
  });

  it("completes a partly typed word", () => {
    expect(offered("bioxen vm cr")).toEqual(["create"]);
    expect(offered("bioxen chassis un")).toEqual(["uncordon"]);
    expect(offered("bioxen vm create --ty")).toEqual(["--type"]);
    expect(offered("bioxen completion f")).toEqual(["fish"]);
  });

  it("completes the values of options: choices, ids and files", () => {
    expect(offered("bioxen vm create x --type ")).toEqual(["syn3a", "ecoli", "minimal_cell"]);
    expect(offered("bioxen alerts set r --severity w")).toEqual(["warning"]);
    expect(offered("bioxen vm create x --chassis ")).toEqual(IDS.chassis);
    expect(offered("bioxen apply -f fl")).toEqual(["fleet.yaml"]);
    expect(offered("bioxen vm create x --priority ")).toEqual([]);
  });

  it("offers ids for arguments that name a VM, a chassis or a rule", () => {
    expect(offered("bioxen vm show ")).toEqual(IDS.vm);
    expect(offered("bioxen vm stop cell-1 cell-")).toEqual(IDS.vm);
    expect(offered("bioxen chassis cordon e")).toEqual(IDS.chassis);
    expect(offered("bioxen ledger show ")).toEqual(IDS.chassis);
    expect(offered("bioxen alerts remove ")).toEqual(IDS.rule);
    expect(offered("bioxen vm ls ")).toEqual([]);
  });
});

/** Whether the shell is installed. Logs a line when it is not, because the test then checks nothing. */
function isInstalled(shell: string): boolean {
  const installed = spawnSync(shell, ["--version"]).status === 0;
  if (!installed) console.log(`${shell} is not installed: its completion script is not tested`);
  return installed;
}

describe("completion in other shells", () => {
  it("is parsed by zsh without an error", () => {
    if (!isInstalled("zsh")) return;
    const { status, stderr } = spawnSync("zsh", ["-n", join(directory, "bioxen.zsh")], { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  it("completes commands, options, choices and ids in fish", () => {
    if (!isInstalled("fish")) return;
    const script = `source ${join(directory, "bioxen.fish")}; complete -C $argv[1]`;
    const fish = (line: string) => {
      const env = { ...environment(), HOME: directory };
      const out = execFileSync("fish", ["--no-config", "-c", script, line], { encoding: "utf8", env });
      return out.split("\n").flatMap((one) => one.split("\t")[0] || []);
    };
    expect(fish("bioxen vm cr")).toEqual(["create"]);
    expect(fish("bioxen vm create --ty")).toEqual(["--type"]);
    expect(fish("bioxen vm create x --type ").sort()).toEqual(["ecoli", "minimal_cell", "syn3a"]);
    expect(fish("bioxen vm show ")).toEqual(IDS.vm);
    expect(fish("bioxen completion ").sort()).toEqual(["bash", "fish", "zsh"]);
  });
});
