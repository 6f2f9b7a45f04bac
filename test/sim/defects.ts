/**
 * `pnpm sim:defects [NAME]`: injects known defects into a copy of the tree, one at a time, and shows which check finds
 * each.
 *
 * A check that has never failed proves little. The unit tests of the code and simulated runs judge each copy. The exit
 * code is 0 only when the unchanged copy passes both and each defect is found by at least one of them.
 */
import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Change, DEFECTS, type Defect, problemWith } from "./defect-list.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Simulated runs per defect; each defect was found within a few dozen. */
const SEEDS = 100;
/** Longest time for one judgement, ms: with some defects a run never ends. */
const LIMIT_MS = 240_000;

/** Copies the tracked files and links the dependencies. Returns the folder. */
function copyOfTree(): string {
  const copy = mkdtempSync(join(tmpdir(), "bioxen-defect-"));
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  for (const path of listed.split("\n")) {
    if (path !== "") cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  }
  // The links to the workspace's packages are relative, so that in the copy they lead to the copy.
  mkdirSync(join(copy, "node_modules"));
  for (const name of readdirSync(join(ROOT, "node_modules"))) {
    const [from, to] = [join(ROOT, "node_modules", name), join(copy, "node_modules", name)];
    if (name === "@bioxen") cpSync(from, to, { recursive: true, verbatimSymlinks: true });
    else symlinkSync(from, to);
  }
  for (const manifest of listed
    .split("\n")
    .filter((path) => /^(packages|services)\/[^/]+\/package\.json$/.test(path))) {
    const links = join(dirname(manifest), "node_modules");
    if (!existsSync(join(ROOT, links))) continue;
    cpSync(join(ROOT, links), join(copy, links), { recursive: true, verbatimSymlinks: true });
  }
  return copy;
}

function put(copy: string, change: Change): void {
  const path = join(copy, change.file);
  const text = readFileSync(path, "utf8");
  const problem = problemWith(change, text);
  if (problem !== undefined) throw new Error(problem);
  writeFileSync(
    path,
    text.replace(change.from, () => change.to),
  );
}

interface Judged {
  readonly found: boolean;
  readonly why: string;
}

function judge(copy: string, args: readonly string[], pick: (output: string) => string): Promise<Judged> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: copy, env: { ...process.env, NO_COLOR: "1" } });
    let output = "";
    const hear = (data: Buffer) => {
      output += data.toString();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    child.once("exit", (code) => {
      clearTimeout(timer);
      resolve({ found: code !== 0, why: code === 0 ? "" : pick(output) });
    });
  });
}

/** Returns a function that finds the first line with `mark`, behind the first line with `after` if given. */
const firstLineWith = (mark: RegExp, after?: RegExp) => (output: string) => {
  const lines = output.split("\n");
  const from = after === undefined ? 0 : lines.findIndex((line) => after.test(line));
  const found = from < 0 ? undefined : lines.slice(from).find((line) => mark.test(line));
  return found?.trim().slice(0, 140) ?? "no end, or no message";
};

function byUnits(copy: string, units: readonly string[]): Promise<Judged> {
  const vitest = join("node_modules", "vitest", "vitest.mjs");
  return judge(copy, [vitest, "run", "--project", "unit", ...units], firstLineWith(/^\s*FAIL/));
}

function bySimulation(copy: string): Promise<Judged> {
  return judge(
    copy,
    ["test/sim/main.ts", "--seeds", String(SEEDS)],
    // The lines of the plan come before the problems.
    firstLineWith(/^ {2}(?!plan: )\S/, /^seed \d+ failed/),
  );
}

async function judged(defect: Defect): Promise<boolean> {
  const copy = copyOfTree();
  try {
    for (const change of defect.changes) put(copy, change);
    const units = await byUnits(copy, defect.units);
    const simulation = await bySimulation(copy);
    console.log(defect.name);
    console.log(`  unit tests:  ${units.found ? units.why : "not found"}`);
    console.log(`  simulation:  ${simulation.found ? simulation.why : "not found"}`);
    return units.found || simulation.found;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

const wanted = process.argv.slice(2);
const chosen = DEFECTS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
if (chosen.length === 0) {
  console.error(`unknown defect; the defects are: ${DEFECTS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const sound = !(await judged({
  name: "none",
  changes: [],
  units: [...new Set(DEFECTS.flatMap(({ units }) => units))],
}));
if (!sound) console.error("the unchanged tree fails its own checks: the results below prove nothing");
let missed = 0;
for (const defect of chosen) if (!(await judged(defect))) missed += 1;
console.log(`${chosen.length} defects, ${chosen.length - missed} found`);
process.exitCode = sound && missed === 0 ? 0 : 1;
