/**
 * All error texts of the command line in one snapshot file, so that a change of wording is reviewed as a diff.
 * `npx vitest run --project unit -u packages/cli/src/output/errors.test.ts` rewrites the snapshot.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ERROR_CODES, ERRORS } from "@bioxen/contracts";
import { Fault, type ReplyError } from "@bioxen/kernel";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { runProgram } from "../run-program.ts";
import { Session } from "../session.ts";

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "bioxen-errors-"));
  vi.stubEnv("BIOXEN_HOME", home);
  vi.stubEnv("BIOXEN_CONFIG", join(home, "config.yaml"));
  vi.stubEnv("BIOXEN_NATS_URL", "");
  vi.stubEnv("NO_COLOR", "1");
  await writeFile(
    join(home, "bad.yaml"),
    "fleet: Lab\nvms:\n  - { vmId: a, biologicalType: syn3b, moon: 1 }\n",
  );
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true, force: true });
});
afterEach(() => vi.restoreAllMocks());

/**
 * Runs the command line in this process and returns its output with the exit code; paths are shown relative to HOME.
 */
async function outputOf(args: readonly string[]): Promise<string> {
  let text = "";
  vi.spyOn(process.stdout, "write").mockImplementation((part) => {
    text += `stdout: ${part}`;
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((part) => {
    text += part;
    return true;
  });
  const errors = new Set(process.stdout.listeners("error"));
  process.exitCode = undefined;
  await runProgram(["node", "bioxen", ...args]);
  const code = Number(process.exitCode ?? 0);
  process.exitCode = 0;
  vi.restoreAllMocks();
  for (const one of process.stdout.listeners("error")) {
    if (!errors.has(one)) process.stdout.off("error", one as () => void);
  }
  const line = args.map((arg) => arg.replace(home, "HOME")).join(" ");
  return `$ bioxen ${line}\n${text.replaceAll(home, "HOME").trimEnd()}\nexit code ${code}\n`;
}

/** Command lines that fail without a reply from a service. */
const WRONG: readonly (readonly string[])[] = [
  ["vmm", "ls"],
  ["vm", "strat", "c1"],
  ["vm", "create", "c1", "--tpye", "syn3a"],
  ["vm", "create", "c1", "--type", "syn3", "--policy", "bin-pak"],
  ["vm", "create", "c1", "--ribosomes", "many"],
  ["vm", "create", "c1", "--affinity", "a=b,c"],
  ["vm", "create", "c1", "--guarantee", "ribosome=3"],
  ["vm", "create", "c1", "--priority", "high", "--json"],
  ["vm", "show"],
  ["vm", "start"],
  ["vm", "start", "c1", "--selector", "team=red"],
  ["vm", "stop", "--selector", "=red"],
  ["vm", "resize", "c1"],
  ["vm", "ls", "--state", "runing"],
  ["vm", "exec", "c1", "-e", "return 1", "file.lua"],
  ["up", "--chassis", "ecolo:1"],
  ["up", "--durability", "sometimes"],
  ["up", "--port", "70000"],
  ["up", "--port", "-1"],
  ["up", "--time-scale", "0"],
  ["vm", "ls", "--timeout", "0"],
  ["vm", "ls", "--timeout", "soon"],
  ["vm", "ls", "--timeout", "99999999999"],
  ["vm", "create", "c1", "--priority", "6"],
  ["vm", "create", "c1", "--nutrient", "-1"],
  ["vm", "exec", "c1", "-e", "return 1", "--timeout-ms", "60001"],
  ["events", "show", "0"],
  ["events", "show", "x", "--json"],
  ["help", "vm", "crate"],
  ["help", "vmm"],
  ["chassis", "register", "x"],
  ["chassis", "rebalance", "--policy", "bin-pak"],
  ["quota", "set", "team=red"],
  ["alerts", "set", "r", "--metric", "vm.healt", "--above", "1"],
  ["alerts", "set", "r", "--metric", "vm.health", "--above", "1", "--below", "2"],
  ["replay", "--with-chassis", "yest:1"],
  ["jobs", "submit", "vm.moon"],
  ["jobs", "submit", "vm.create", "{"],
  ["top", "--sort", "helth"],
  ["config", "get", "up.chasis"],
  ["config", "set", "timeout", "soon"],
  // No BioXen is reachable.
  ["vm", "ls"],
  ["vm", "ls", "--json"],
];

/** A refusal with this code, and with the details that services add to it. */
function refusalOf(code: (typeof ERROR_CODES)[number]): ReplyError {
  const problems = [
    { path: "vmId", message: "is not an id" },
    { path: "priority", message: "must be at most 5" },
  ];
  const details = { BAD_REQUEST: { problems }, GUEST_ERROR: { traceback: "stack traceback:\n\t…" } };
  const own = details[code as keyof typeof details];
  return { code, message: "as the service says it", retryable: false, ...(own && { details: own }) };
}

/** Like {@link outputOf}, with `session` in place of a connection. */
async function outputWith(session: Partial<Session>, args: readonly string[]): Promise<string> {
  vi.spyOn(Session, "open").mockResolvedValue({ close: async () => undefined, ...session } as Session);
  return outputOf(args);
}

it("every error text names the problem and the remedy", async () => {
  const parts: string[] = [];
  for (const args of WRONG) parts.push(await outputOf(args));
  for (const code of ERROR_CODES) {
    const error = refusalOf(code);
    const text = await outputWith({ call: async () => ({ ok: false, error }) }, ["vm", "pause", "c1"]);
    expect(text).toContain(ERRORS[code].remedy);
    parts.push(text);
  }
  const only = { problems: [{ path: "vmId", message: "is not an id" }] };
  const own = { remedy: "Cancel the drain first: bioxen chassis drain ecoli-1 --cancel" };
  for (const [code, message, details] of [
    ["BAD_REQUEST", "vmId is not an id", only],
    ["CONFLICT", "ecoli-1 is being drained", own],
  ] as const) {
    const error = { code, message, retryable: false, details };
    parts.push(await outputWith({ call: async () => ({ ok: false, error }) }, ["vm", "pause", "c1"]));
  }
  const unreachable = async () => {
    throw new Fault("TIMEOUT", "no reply on bioxen.cmd.vm.pause within 10000 ms", { retryable: true });
  };
  parts.push(await outputWith({ call: unreachable }, ["vm", "pause", "c1"]));
  parts.push(await outputWith({ call: unreachable }, ["vm", "pause", "c1", "c2"]));
  const fleet = { listAllVms: async () => [] };
  parts.push(await outputWith(fleet, ["apply", "-f", join(home, "bad.yaml")]));
  parts.push(await outputWith(fleet, ["apply", "-f", join(home, "none.yaml")]));
  parts.push(await outputOf(["experiment", "plan", join(home, "bad.yaml")]));
  parts.push(await outputOf(["experiment", "plan", join(home, "none.yaml")]));
  await expect(parts.join("\n")).toMatchFileSnapshot("errors.snapshot.txt");
});
