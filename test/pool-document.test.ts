/**
 * Holds the sentences of docs/how-to/xcpng.md that have numbers or names to the sources: each sentence is made of the
 * constant that it is about. The commands of the page run in other tests (blocks.ts).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_EXEC_TIMEOUT_MS, endsWithAgent, XCPNG_DEMAND } from "@bioxen/contracts";
import { backoffDelayMs } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { CELL_SETTINGS, identityOf } from "../packages/driver-xcpng/src/driver/cell-settings.ts";
import {
  DEFAULT_POOL_CHASSIS,
  DEFAULT_TEMPLATE,
  POOL_VARIABLES,
} from "../packages/driver-xcpng/src/driver/configuration.ts";
import * as pool from "../packages/driver-xcpng/src/driver/limits.ts";
import { machineSettingsOf } from "../packages/driver-xcpng/src/driver/machine-settings.ts";
import { SUFFICIENT_ROLE } from "../packages/driver-xcpng/src/driver/permissions.ts";
import * as ssh from "../packages/driver-xcpng/src/ssh/limits.ts";
import { MAX_GAP_MS, SAVE_MS } from "../packages/guest-agent/src/limits.ts";
import {
  AGENT_KEY,
  CELL_COMMAND,
  identityKeys,
  SAMPLE_KEY,
  XENSTORE_FOLDER,
} from "../packages/guest-agent/src/protocol.ts";
import { ORPHAN_AGE_MS } from "../services/chassis-agent/src/app/kept-snapshots.ts";
import { MAX_START_TRIES, TRY_BACKOFF } from "../services/lifecycle/src/domain/vm-start.ts";
import { ROOT } from "./examples/blocks.ts";

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
/** The page as one line of text per paragraph and item. */
const page = read("docs/how-to/xcpng.md")
  .replaceAll(/\n {2,}(?=\S)/g, " ")
  .replaceAll(/(?<=[^\n|])\n(?=[^\n|#`-])/g, " ");

/** The codes in the first column of the tables whose head begins with `head`. */
function rowsOf(head: string): string[] {
  const tables = page
    .split(/\n(?!\|)/)
    .map((part) => part.split("\n").filter((line) => line.startsWith("|")));
  return tables
    .filter(([first = ""]) => first.startsWith(`| ${head}`))
    .flatMap((lines) => lines.slice(2))
    .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code));
}

const seconds = (ms: number) => ms / 1_000;
const minutes = (ms: number) => ms / 60_000;
const words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const kib = (bytes: number) => `${bytes / 1_024} KiB`;
/** A number with a space between thousands, as the page writes it. */
const spaced = (value: number) => String(value).replaceAll(/\B(?=(\d{3})+$)/g, " ");

/** The deadlines of the operations that the page lists, and that of switching a machine off. */
const { hardShutdownMs, ...listed } = pool.DEFAULT_DEADLINES;
const stalls = Object.values(listed);
const triesTakeMs = pool.FIRST_REMOVAL_WAIT_MS * (2 ** (pool.MAX_REMOVAL_TRIES - 1) - 1);
const OWN_CAPACITY = /const CAPACITY_INTERVAL_MS = ([\d_]+);/;
const KEPT_OUTCOMES = /const KEPT_MS = ([\d_]+);/;
const constantIn = (path: string, pattern: RegExp) =>
  Number((pattern.exec(read(path))?.[1] ?? "").replaceAll("_", ""));
const capacityMs = constantIn("services/chassis-agent/src/app/registrations.ts", OWN_CAPACITY);
const keptMs = constantIn("services/chassis-agent/src/app/exec.ts", KEPT_OUTCOMES);

describe("docs/how-to/xcpng.md", () => {
  it.each([
    [
      "size of a machine",
      `\`vcpus\` (default ${XCPNG_DEMAND["vcpus"]}) and \`memoryMiB\` (default ${XCPNG_DEMAND["memoryMiB"]})`,
    ],
    ["settings of a cell", CELL_SETTINGS.map((name) => `\`config.${name}\``).join(" or ")],
    ["pauses without SSH", `a pause of less than ${seconds(MAX_GAP_MS)} s is time of the cell`],
    ["reading of the capacity", `reads the capacity every ${seconds(capacityMs)} s`],
    ["memory of domains", `without ${pool.DOMAIN_OVERHEAD_PERMILLE / 10} % for the overhead`],
    ["high availability", `counts as running for ${words[minutes(pool.HA_RESTART_MS)]} minutes`],
    [
      "weights",
      `Priorities 1 to 5 are weights ${pool.WEIGHT_OF_PRIORITY_1} to ${pool.WEIGHT_OF_PRIORITY_1 * 2 ** 4}`,
    ],
    ["time for a clean shutdown", `(default ${spaced(pool.DEFAULT_SHUTDOWN_GRACE_MS)})`],
    ["removals", `up to ${pool.MAX_REMOVAL_TRIES} times in ${Math.round(minutes(triesTakeMs))} minutes`],
    [
      "looks at what is left",
      pool.LOOK_AFTER_LEFT_MS === 60_000 ? "the agent sees the removal after about a minute" : "",
    ],
    ["wait of a removal", `default ${pool.FIRST_REMOVAL_WAIT_MS}; doubled each time`],
    ["reverts", `After ${words[pool.MAX_REVERTS]} reverts that the pool rejects`],
    ["snapshots that a crash left", `is removed after ${words[minutes(ORPHAN_AGE_MS)]} minutes`],
    [
      "long operations",
      `A clone, copy, start, snapshot, revert or resume is cancelled only when it makes no progress for ${minutes(Math.min(...stalls))} to ${minutes(Math.max(...stalls))} minutes.`,
    ],
    [
      "switching off",
      `Switching a machine off is given up after ${words[minutes(hardShutdownMs)]} minute without progress`,
    ],
    ["a lost chassis", endsWithAgent("xcpng") ? "" : "so the VMs keep their places and their allocations"],
    ["wait for the guest agent", `default ${pool.DEFAULT_AGENT_WAIT_MS}, see below`],
    ["stored cells", SAVE_MS === 60_000 ? "(up to a minute of its life is then lost)" : ""],
    ["printed lines", `is read over SSH within ${seconds(pool.CELL_POLL_MS)} s`],
    [
      "start of a program",
      `default ${ssh.DEFAULT_CONNECT_TIMEOUT_MS}, at most ${ssh.MAX_CONNECT_TIMEOUT_MS}`,
    ],
    ["size of a program", `POSIX shell (\`sh\`), at most ${kib(ssh.MAX_SOURCE_BYTES)}, without input`],
    ["output of a program", `the first ${kib(ssh.MAX_OUTPUT_BYTES)} are kept`],
    ["time of a program", `(1 to ${spaced(ssh.MAX_PROGRAM_TIMEOUT_MS)}, default ${DEFAULT_EXEC_TIMEOUT_MS})`],
    [
      "programs at once",
      `At most ${ssh.MAX_PROGRAMS_PER_MACHINE} programs run in one machine at once, and in ${ssh.MAX_CONNECTIONS} machines`,
    ],
    ["open connections", `stays open for ${seconds(ssh.IDLE_MS)} s after its last program`],
    ["repeated programs", `for ${words[minutes(keptMs)]} minutes and as long as the agent lives`],
    ["role", `The weakest role that may is \`${SUFFICIENT_ROLE}\``],
    ["template", `Create a template named \`${DEFAULT_TEMPLATE}\``],
    ["default template", `| default \`${DEFAULT_TEMPLATE}\``],
    ["chassis", `default \`${DEFAULT_POOL_CHASSIS}\``],
    ["guest agent", `has the guest agent \`${CELL_COMMAND}\``],
  ])("says the truth about: %s", (_what, sentence) => {
    expect(sentence).not.toBe("");
    expect(page.includes(sentence), sentence).toBe(true);
  });

  it("lists every variable of the agent, and no other one", () => {
    const rows = page.split("\n").filter((line) => line.startsWith("| `BIOXEN_"));
    const listed = rows.flatMap((row) => row.match(/BIOXEN_XCPNG_[A-Z_]+/g) ?? []);
    expect([...new Set(listed)].sort()).toEqual([...POOL_VARIABLES].sort());
  });

  it("lists every key that a machine finds in xenstore, and those that the guest agent writes", () => {
    const spec = {
      vmId: "x1",
      incarnation: 1,
      fence: 1,
      biologicalType: "ecoli",
      seed: 1,
      allocation: {},
      config: {},
    };
    const keys = Object.keys(identityKeys(identityOf(spec, 1))).map((key) =>
      key.slice(XENSTORE_FOLDER.length),
    );
    expect(rowsOf("key below").sort()).toEqual(keys.sort());
    for (const key of [AGENT_KEY, SAMPLE_KEY])
      expect(page).toContain(`\`${key.slice(XENSTORE_FOLDER.length)}\` (`);
  });

  it("names only settings that a VM of a pool has", () => {
    const config = /- \*\*Config\.\*\*.*/.exec(page)?.[0] ?? "";
    const named = [...config.matchAll(/`([a-zA-Z]+)`/g)].map(([, name = ""]) => name);
    const settings = named.filter((name) => !["clean", "hard"].includes(name));
    const values = {
      cpuSharePercent: 50,
      maxVcpus: 2,
      maxMemoryMiB: 2_048,
      shutdown: "hard",
      shutdownGraceMs: 1,
    };
    const full = Object.fromEntries(
      settings.map((name) => [name, values[name as keyof typeof values] ?? "x"]),
    );
    expect(settings.length).toBeGreaterThanOrEqual(9);
    const spec = { vmId: "x1", incarnation: 1, fence: 1, biologicalType: "ecoli", seed: 1 };
    const allocation = { vcpus: 2, memoryMiB: 2_048 };
    expect(() => machineSettingsOf({ ...spec, allocation, config: full }, { template: "t" })).not.toThrow();
  });

  it("names only commands and options that the command has", () => {
    const help = read("docs/cli.md");
    const codes = [...page.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
    const options = codes.flatMap((code) =>
      [...code.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)].map(([option]) => option),
    );
    // Those of docker compose and npm.
    const foreign = ["--profile", "--build", "--global"];
    expect(options.length).toBeGreaterThan(10);
    expect(options.filter((option) => !help.includes(option) && !foreign.includes(option))).toEqual([]);
    const commands = codes.flatMap(
      (code) => /^(?:bioxen )?((?:vm|pool|chassis) [a-z]+)/.exec(code)?.[1] ?? [],
    );
    expect(commands.length).toBeGreaterThan(10);
    expect(commands.filter((command) => !help.includes(`## \`bioxen ${command}\``))).toEqual([]);
  });

  it("has a page of errors that says how often a start is tried, and how long", () => {
    const waits = Array.from({ length: MAX_START_TRIES - 1 }, (_, i) => backoffDelayMs(TRY_BACKOFF, i + 1));
    const takenMs = waits.reduce((sum, wait) => sum + wait, 0);
    expect(read("docs/how-to/xcpng-errors.md")).toContain(
      `After the last of ${MAX_START_TRIES} tries, about ${words[Math.round(minutes(takenMs))]} minutes after the first,`,
    );
  });

  it("has a page of errors that names only commands that exist", () => {
    const help = read("docs/cli.md");
    const errors = read("docs/how-to/xcpng-errors.md");
    const head = errors.slice(0, errors.indexOf("\n## "));
    const commands = [...head.matchAll(/`([a-z]+ [a-z]+)`/g)].map(([, command = ""]) => command);
    const named = commands.filter((command) => command !== "pnpm run");
    expect(named.length).toBeGreaterThan(2);
    expect(named.filter((command) => !help.includes(`## \`bioxen ${command}\``))).toEqual([]);
  });
});
