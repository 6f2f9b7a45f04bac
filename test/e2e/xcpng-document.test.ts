/**
 * The commands by which docs/how-to/xcpng.md lets a person try a fake pool, as the page prints them: each line in a shell,
 * and `up` as `fake-xapi` prints it.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Block, blocksOf, ROOT } from "../examples/blocks.ts";
import { type CommandResult, eventually } from "./world.ts";

const PAGE = "docs/how-to/xcpng.md";
const TEST = "test/e2e/xcpng-document.test.ts";
const TIMEOUT_MS = 600_000;
/** Time until a command that stays in the foreground has said that it is ready, ms. */
const READY_MS = 300_000;
/** The first command of a block. */
const POOL = "fake-xapi";
/** What the page has in place of a value that `fake-xapi` prints. */
const PLACES: readonly [string, string][] = [
  ["…", "\\S+"],
  ["PORT", "\\d+"],
  ["SHA256", "[0-9A-F:]{95}"],
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bioxen-page-"));
  // What `pnpm run cell` runs, for the folder of this test.
  const build = join(ROOT, "packages/guest-agent/scripts/build.ts");
  const { buildBundle } = (await import(build)) as { buildBundle: (folder: string) => Promise<string> };
  await buildBundle(join(folder, ".build", "cell"));
}, TIMEOUT_MS);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A person's terminals, all in one folder and with one home. */
class Desk {
  readonly #env: NodeJS.ProcessEnv;
  readonly #open: ChildProcess[] = [];

  constructor(home: string) {
    // Variables of this process, such as those of another test's pool, are none of a new user's.
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("BIOXEN_"));
    const PATH = [join(ROOT, "bin"), process.env["PATH"]].join(delimiter);
    // On a busy machine a command takes longer than a person's patience.
    const BIOXEN_TIMEOUT_MS = String(READY_MS);
    const BIOXEN_CONFIG = join(home, "config.yaml");
    const own = { PATH, NO_COLOR: "1", BIOXEN_HOME: home, BIOXEN_CONFIG, BIOXEN_TIMEOUT_MS };
    this.#env = { ...Object.fromEntries(kept), ...own };
  }

  /** Runs a line that stays in the foreground. Resolves with what it has printed once that matches `ready`. */
  async start(line: string, ready: RegExp): Promise<string> {
    // In a process group of its own, as a terminal starts it, so that Ctrl-C reaches each process of the line.
    const child = spawn("sh", ["-c", line], { cwd: folder, env: this.#env, detached: true });
    this.#open.push(child);
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (text) => {
        printed += String(text);
      });
    }
    return eventually(
      `${line} prints ${ready}`,
      () => {
        if (child.exitCode !== null) throw new Error(`${line} ended with ${child.exitCode}: ${printed}`);
        return ready.test(printed) ? printed : undefined;
      },
      READY_MS,
    );
  }

  run(line: string): Promise<CommandResult> {
    return new Promise((resolve) => {
      execFile("sh", ["-c", line], { cwd: folder, env: this.#env }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
      });
    });
  }

  /** Presses Ctrl-C in every terminal, the last opened first. */
  async leave(): Promise<void> {
    for (const child of this.#open.reverse()) {
      if (child.exitCode !== null) continue;
      const ended = once(child, "exit");
      process.kill(-(child.pid ?? 0), "SIGINT");
      await ended;
    }
  }
}

/** The pattern of a line of the page in what `fake-xapi` prints, which breaks the command into several lines. */
function patternOf(line: string): RegExp {
  const escaped = line.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const filled = PLACES.reduce((text, [place, value]) => text.replace(place, value), escaped);
  return new RegExp(filled.replace(" bioxen up", "[^]*bioxen up"));
}

/** Returns the command that `fake-xapi` prints: its indented lines. */
const printedCommand = (printed: string): string =>
  printed
    .split("\n")
    .filter((line) => line.startsWith("  "))
    .join("\n");

/** What a command of the page prints, by its words. */
const EXPECTED: readonly [RegExp, RegExp][] = [
  [/^vm create x1/, /x1: ecoli \(xcpng\), running on xcpng-1/],
  [/^vm show x1/, /guest +machine without a cell: no guest agent has reported/],
  [/^vm exec x1/, /BioXen x1 .*\nFake\n/],
  [/^vm explain x1/, /It asks for no cell: it starts with and without the guest agent/],
  [/^vm restore x1/, /x1 is restored/],
  [/^vm destroy x1/, /x1 is (?:destroyed|stopping)/],
  [/^vm create c1/, /c1: syn3a \(xcpng\), running on xcpng-1\n +allocation .*ribosomes 252/],
  [/^vm exec c1 -e 'return/, /^150\.4/],
  [/^vm resize c1/, /ribosomes 503/],
  [/^vm show c1/, /guest +cell in a machine \(guest agent .*, model weisse\)/],
  [/^vm exec c1 --shell/, /BioXen c1 .*\nFake\n/],
  [/^vm explain c1/, /It asks for a cell \(ribosomes\).*\nIts guest now: cell in a machine/],
];

const isOurs = ({ runner }: Block) => runner?.kind === "by" && runner.test === TEST;
const blocks = blocksOf(PAGE).filter(isOurs);
/** A line of a block without its comment. */
const commandOf = (line: string) => line.replace(/ +# .*$/, "");

it("the page has a block for machines, and one for cells", () => {
  expect(blocks).toHaveLength(2);
});

describe.each(blocks)("$file:$line", ({ text }) => {
  it("runs as it is printed", { timeout: TIMEOUT_MS }, async () => {
    const lines = text.trim().split("\n").map(commandOf);
    const first = lines[0] ?? "";
    expect(first.split(" ").slice(0, 2)).toEqual(["bioxen", POOL]);
    const desk = new Desk(await mkdtemp(join(folder, "home-")));
    try {
      const printed = await desk.start(first, /--xcpng-fingerprint \S+\n/);
      const command = printedCommand(printed);
      const up = lines.find((line) => line.includes("bioxen up"));
      if (up !== undefined) expect(command).toMatch(patternOf(up));
      await desk.start(command, /BioXen is up/);
      for (const line of lines.slice(1).filter((one) => one !== up)) {
        const { code, stdout, stderr } = await desk.run(line);
        expect(code, `${line}: ${stdout}${stderr}`).toBe(0);
        const words = line.replace(/^bioxen /, "");
        const expected = EXPECTED.find(([command]) => command.test(words));
        if (expected !== undefined) expect(stdout, line).toMatch(expected[1]);
      }
    } finally {
      await desk.leave();
    }
  });
});
