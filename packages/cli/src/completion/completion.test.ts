/**
 * The scripts in the shells themselves: bash completes here what it would complete for a person; zsh and fish are asked where they are.
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

const TREE = completionTree(createProgram());
/** What a running BioXen would answer, and that it was asked. */
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

/** What real bash offers after each of `lines`, the last word of which is being typed. */
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
  it("offers every command, and every option of it, where it belongs", () => {
    const commands = TREE.filter(({ commands: children }) => children.length > 0);
    const offers = bashOffers(...commands.map(({ path }) => `bioxen ${path} `.replace("  ", " ")));
    expect(offers).toEqual(commands.map(({ commands: children }) => children.map(({ name }) => name)));
    const leaves = TREE.filter(({ path }) => commandPaths().includes(path));
    expect(leaves).toHaveLength(commandPaths().length);
    const flags = bashOffers(...leaves.map(({ path }) => `bioxen ${path} -`));
    expect(flags).toEqual(leaves.map(({ options }) => options.flatMap((option) => option.flags)));
  });

  it("completes what is begun", () => {
    expect(offered("bioxen vm cr")).toEqual(["create"]);
    expect(offered("bioxen chassis un")).toEqual(["uncordon"]);
    expect(offered("bioxen vm create --ty")).toEqual(["--type"]);
    expect(offered("bioxen completion f")).toEqual(["fish"]);
  });

  it("completes values of options: what they may be, ids, files", () => {
    expect(offered("bioxen vm create x --type ")).toEqual(["syn3a", "ecoli", "minimal_cell"]);
    expect(offered("bioxen alerts set r --severity w")).toEqual(["warning"]);
    expect(offered("bioxen vm create x --chassis ")).toEqual(IDS.chassis);
    expect(offered("bioxen apply -f fl")).toEqual(["fleet.yaml"]);
    expect(offered("bioxen vm create x --priority ")).toEqual([]);
  });

  it("asks for ids where a VM, a chassis or a rule is to be named", () => {
    expect(offered("bioxen vm show ")).toEqual(IDS.vm);
    expect(offered("bioxen vm stop cell-1 cell-")).toEqual(IDS.vm);
    expect(offered("bioxen chassis cordon e")).toEqual(IDS.chassis);
    expect(offered("bioxen ledger show ")).toEqual(IDS.chassis);
    expect(offered("bioxen alerts remove ")).toEqual(IDS.rule);
    expect(offered("bioxen vm ls ")).toEqual([]);
  });
});

/** Whether a shell is here; where it is not, that is said. */
function isHere(shell: string): boolean {
  const here = spawnSync(shell, ["--version"]).status === 0;
  if (!here) console.log(`${shell} is not here: its completion was not read by it`);
  return here;
}

describe("completion in other shells", () => {
  it("is read by zsh without complaint", () => {
    if (!isHere("zsh")) return;
    const { status, stderr } = spawnSync("zsh", ["-n", join(directory, "bioxen.zsh")], { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  it("completes in fish", () => {
    if (!isHere("fish")) return;
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
