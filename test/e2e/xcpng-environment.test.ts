/**
 * The secrets of a pool are in the environment of the agent's process only: nats-server, its guard and the other services
 * do not have them. nats-server and its guard have nothing of the stack's environment that they do not need.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { SERVICES } from "@bioxen/local-stack";
import { afterAll, beforeAll, expect, it } from "vitest";
import { POOL_VARIABLES } from "../../packages/driver-xcpng/src/driver/configuration.ts";
import { World } from "./world.ts";

const [PASSWORD, SSH_PASSWORD] = ["the-pool-knows-it", "the-machines-know-it"];
/** What `up` is started with. The last one stands for a secret of another program. */
const PLANTED: Readonly<Record<string, string>> = {
  BIOXEN_XCPNG_PASSWORD: PASSWORD,
  BIOXEN_XCPNG_SSH_USER: "operator",
  BIOXEN_XCPNG_SSH_PASSWORD: SSH_PASSWORD,
  BIOXEN_XCPNG_OF_A_LATER_RELEASE: "unknown-secret",
  OTHER_PROGRAMS_SECRET: "foreign-secret",
};
const OF_THE_POOL = /^BIOXEN_XCPNG_/;

let fake: FakeXapi;
let world: World;

beforeAll(async () => {
  fake = await createFakeXapi({ password: PASSWORD });
  Object.assign(process.env, PLANTED);
  const { url, fingerprint } = fake;
  world = await World.open({ chassis: "ecoli:1", xcpng: { url, fingerprint } });
});
afterAll(async () => {
  for (const name of Object.keys(PLANTED)) delete process.env[name];
  await world.close();
  await fake.close();
});

interface Running {
  readonly pid: number;
  readonly parent: number;
  readonly line: string;
  readonly environment: ReadonlyMap<string, string>;
}

const partsOf = (pid: number, file: string): readonly string[] =>
  readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0");

function processOf(pid: number): Running[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    const variables = partsOf(pid, "environ").map((one) => one.split(/=(.*)/s, 2) as [string, string]);
    return [{ pid, parent, line: partsOf(pid, "cmdline").join(" "), environment: new Map(variables) }];
  } catch {
    // It has ended meanwhile, or belongs to another user.
    return [];
  }
}

/** Every process below this one, which has started the stack. */
function descendants(): readonly Running[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => processOf(Number(name)));
  const below = (pid: number): Running[] =>
    all.filter(({ parent }) => parent === pid).flatMap((one) => [one, ...below(one.pid)]);
  return below(process.pid);
}

const namesOf = ({ environment }: Running) => [...environment.keys()].filter((name) => name !== "");
const isAgent = ({ line }: Running) => line.includes("/services/chassis-agent/");

it("the secrets of a pool are in the environment of the agent only", () => {
  const running = descendants();
  const { pid } = world.stack.services().find(({ name }) => name === "chassis-agent") ?? {};
  const [agent, ...others] = running.filter(isAgent);
  expect([agent?.pid, others]).toEqual([pid, []]);
  expect(agent?.environment.get("BIOXEN_XCPNG_PASSWORD")).toBe(PASSWORD);
  expect(agent?.environment.get("BIOXEN_XCPNG_SSH_PASSWORD")).toBe(SSH_PASSWORD);
  const rest = running.filter((one) => !isAgent(one));
  for (const name of [
    ...SERVICES.filter((one) => one !== "chassis-agent"),
    "nats-server.conf",
    "server-guard",
  ])
    expect(
      rest.filter(({ line }) => line.includes(name)),
      name,
    ).toHaveLength(1);
  for (const one of rest) {
    expect(
      namesOf(one).filter((name) => OF_THE_POOL.test(name)),
      one.line,
    ).toEqual([]);
    const values = [...one.environment.values()].join("\n");
    expect(values, one.line).not.toMatch(new RegExp(`${PASSWORD}|${SSH_PASSWORD}|unknown-secret`));
  }
  expect(POOL_VARIABLES.filter((name) => !OF_THE_POOL.test(name))).toEqual([]);
});

it("nats-server and its guard have only what they need", () => {
  const servers = descendants().filter(({ line }) => /nats-server\.conf|server-guard/.test(line));
  expect(servers).toHaveLength(2);
  const needed =
    /^(?:PATH|HOME|TMPDIR|TZ|LANG|LC_ALL|LD_LIBRARY_PATH|GO(?:DEBUG|GC|MAXPROCS|MEMLIMIT|TRACEBACK))$/;
  // A shell sets these itself.
  const ofShell = ["PWD", "OLDPWD", "SHLVL", "_"];
  for (const one of servers) {
    const unneeded = namesOf(one).filter((name) => !needed.test(name) && !ofShell.includes(name));
    expect(unneeded, one.line).toEqual([]);
  }
});
