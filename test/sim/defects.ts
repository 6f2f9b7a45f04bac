/**
 * `pnpm sim:defects [NAME]`: puts known defects into a copy of the tree, one at a time, and shows what finds each.
 *
 * A check that has never failed proves little. Each defect is one that a careful programmer has made in a system like
 * this; the copy is then judged by the unit tests beside the code and by simulated runs. Ends with 0 only when both the
 * untouched copy is found sound and every defect is found by at least one of the two.
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
/** Runs of the simulation per defect: each has been found within a few dozen. */
const SEEDS = 100;
/** A defect may keep a run from ever ending, ms. */
const LIMIT_MS = 240_000;

/** The tracked tree without its dependencies, which are linked. */
function copyOfTree(): string {
  const copy = mkdtempSync(join(tmpdir(), "bioxen-defect-"));
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  for (const path of listed.split("\n")) {
    if (path !== "") cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  }
  // Our own packages are linked relatively, so that in the copy the links lead to the copy.
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

/** The first line with `mark`, after the first with `after` where that is given. */
const firstLineWith = (mark: RegExp, after?: RegExp) => (output: string) => {
  const lines = output.split("\n");
  const from = after === undefined ? 0 : lines.findIndex((line) => after.test(line));
  const found = from < 0 ? undefined : lines.slice(from).find((line) => mark.test(line));
  return found?.trim().slice(0, 140) ?? "it did not end, or ended without a word";
};

function byUnits(copy: string, units: readonly string[]): Promise<Judged> {
  const vitest = join("node_modules", "vitest", "vitest.mjs");
  return judge(copy, [vitest, "run", "--project", "unit", ...units], firstLineWith(/^\s*FAIL/));
}

function bySimulation(copy: string): Promise<Judged> {
  return judge(
    copy,
    ["test/sim/main.ts", "--seeds", String(SEEDS)],
    firstLineWith(/^ {2}\S/, /^seed \d+ failed/),
  );
}

async function judged(defect: Defect): Promise<boolean> {
  const copy = copyOfTree();
  try {
    for (const change of defect.changes) put(copy, change);
    const units = await byUnits(copy, defect.units);
    const simulation = await bySimulation(copy);
    console.log(defect.name);
    console.log(`  unit tests:  ${units.found ? units.why : "do not see it"}`);
    console.log(`  simulation:  ${simulation.found ? simulation.why : "does not see it"}`);
    return units.found || simulation.found;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

const wanted = process.argv.slice(2);
const chosen = DEFECTS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
if (chosen.length === 0) {
  console.error(`no such defect; there are: ${DEFECTS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const sound = !(await judged({
  name: "none",
  changes: [],
  units: [...new Set(DEFECTS.flatMap(({ units }) => units))],
}));
if (!sound) console.error("the untouched tree is not sound: what follows says nothing");
let missed = 0;
for (const defect of chosen) if (!(await judged(defect))) missed += 1;
console.log(`${chosen.length} defects, ${chosen.length - missed} found`);
process.exitCode = sound && missed === 0 ? 0 : 1;
