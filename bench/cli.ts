/**
 * Benchmark of the installed command: the processor time of one call. The tarballs are packed and installed as a user
 * would do, and `vm ls` asks a running stack. The time of an empty Node program is the lower bound.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startLocalStack } from "@bioxen/local-stack";

/** Number of measured calls of each command. The first call fills the compile cache and is not measured. */
const CALLS = 9;
/** Largest allowed processor time of one call, s. */
const LIMITS = { "--version": 0.1, "vm ls": 0.25 } as const;
/** Longest time for packing and for the installation, ms. */
const INSTALL_MS = 600_000;
const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Prints the processor time of its child process, µs. */
const MEASURE = `
const { spawnSync } = require("node:child_process");
const { status, stderr } = spawnSync(process.execPath, process.argv.slice(1), { stdio: ["ignore", "ignore", "inherit"] });
if (status !== 0) process.exit(status ?? 1);
const lines = require("node:fs").readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ");
console.log(Number(lines[13]) + Number(lines[14]));
`;
/** Unit of the times in /proc, per second. */
const TICKS = 100;

/** Prints the median processor time of each command. Returns whether all are within their limits. */
export async function cli(): Promise<boolean> {
  const dir = await mkdtemp(join(tmpdir(), "bioxen-bench-cli-"));
  const stack = await startLocalStack({ dataDir: join(dir, "data"), home: join(dir, "home") });
  try {
    const tarballs = join(dir, "tarballs");
    done(process.execPath, [join(ROOT, "deploy", "pack.ts"), tarballs]);
    const paths = globSync("*.tgz", { cwd: tarballs }).map((name) => join(tarballs, name));
    const prefix = join(dir, "prefix");
    done("npm", ["install", "--global", "--prefix", prefix, "--no-audit", "--no-fund", ...paths]);
    const bioxen = join(prefix, "bin", "bioxen");
    const env = { ...process.env, BIOXEN_HOME: join(dir, "home"), BIOXEN_NATS_URL: stack.url };
    const bare = medianSeconds(["-e", "0"], env);
    console.log(
      `cli        processor time of one call, medians of ${CALLS}; an empty Node program ${bare.toFixed(3)} s`,
    );
    let isFast = true;
    for (const [line, limit] of Object.entries(LIMITS)) {
      const seconds = medianSeconds([bioxen, ...line.split(" ")], env);
      if (seconds > limit) isFast = false;
      const verdict = seconds > limit ? `above the limit of ${limit} s` : `limit ${limit} s`;
      console.log(
        `  ${`bioxen ${line}`.padEnd(18)} ${seconds.toFixed(3)} s, ${(seconds / bare).toFixed(1)} times that; ${verdict}`,
      );
    }
    return isFast;
  } finally {
    await stack.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

function done(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8", timeout: INSTALL_MS });
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${stderr}`);
}

/** Returns the median processor time of Node with these arguments, user and system, s. */
function medianSeconds(args: readonly string[], env: NodeJS.ProcessEnv): number {
  const times: number[] = [];
  for (let call = 0; call <= CALLS; call += 1) {
    const { stdout, status, stderr } = spawnSync(process.execPath, ["-e", MEASURE, "--", ...args], {
      encoding: "utf8",
      env,
    });
    if (status !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
    if (call > 0) times.push(Number(stdout) / TICKS);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
}
