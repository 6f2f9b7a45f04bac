/**
 * The menu on a real stack, its questions answered by a script: every entry, and leaving at every question.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Asking, type Choice, MenuLeft, type TextQuestion } from "../../packages/cli/src/menu/asking.ts";
import { mainMenu } from "../../packages/cli/src/menu/main-menu.ts";
import { allowedVerbs } from "../../packages/cli/src/menu/vm-actions.ts";
import { Session } from "../../packages/cli/src/session.ts";
import { World } from "./world.ts";

let world: World;
let session: Session;
beforeAll(async () => {
  world = await World.shared({ chassis: "ecoli:1" });
  session = await Session.open({ server: world.url });
});
afterAll(async () => {
  await session.close();
  await world.close();
});

/** Esc, and Ctrl-C. */
const ESC: unique symbol = Symbol("esc");
const CTRL_C: unique symbol = Symbol("ctrl-c");
type Given = string | boolean | typeof ESC | typeof CTRL_C;

/** Answers questions in turn; fails when one asks for what is not offered. What is asked after the script ends: exit. */
class ScriptedAsking implements Asking {
  readonly shown: string[] = [];
  readonly told: string[] = [];
  readonly offered: string[][] = [];
  asked = 0;
  readonly #script: Given[];

  constructor(...script: Given[]) {
    this.#script = [...script];
  }

  #next(): Given {
    this.asked += 1;
    const given = this.#script.shift() ?? CTRL_C;
    if (given === CTRL_C) throw new MenuLeft();
    return given;
  }

  async choose<T extends string>(message: string, choices: readonly Choice<T>[]): Promise<T | undefined> {
    this.offered.push(choices.map(({ value }) => value));
    const given = this.#next();
    if (given === ESC) return undefined;
    expect(
      choices.map(({ value }) => value as string),
      message,
    ).toContain(given);
    return given as T;
  }

  async text({ initial, problem }: TextQuestion): Promise<string | undefined> {
    const given = this.#next();
    if (given === ESC) return undefined;
    const text = given === "" ? (initial ?? "") : String(given);
    expect(problem?.(text)).toBeUndefined();
    return text;
  }

  async confirm(): Promise<boolean | undefined> {
    const given = this.#next();
    return given === ESC ? undefined : given === true;
  }

  show(body: string, title: string): void {
    this.shown.push(`${title}\n${body}`);
  }

  tell(_kind: string, line: string): void {
    this.told.push(line);
  }

  during<T>(_message: string, work: Promise<T>): Promise<T> {
    return work;
  }

  async live(draw: () => Promise<string>): Promise<void> {
    this.shown.push(await draw());
  }
}

async function walk(...script: Given[]): Promise<ScriptedAsking> {
  const asking = new ScriptedAsking(...script);
  await mainMenu(asking, session).catch((thrown: unknown) => {
    if (!(thrown instanceof MenuLeft)) throw thrown;
  });
  return asking;
}

const CREATE: readonly Given[] = [
  "create",
  "syn3a",
  "basic",
  "m1",
  "own",
  "50",
  "100",
  "100",
  "keep",
  "3",
  "start",
];

describe("the menu", () => {
  it("makes nothing when one leaves at any question of a creation, by Esc or by Ctrl-C", async () => {
    const before = (await session.ask("vmList", {})).vms.length;
    const log = await session.eventLog();
    const kinds = async () => (await session.ask("vmList", {})).vms.map(({ vmId }) => vmId);
    for (let at = 1; at < CREATE.length; at += 1) {
      await walk(...CREATE.slice(0, at), CTRL_C);
      await walk(...CREATE.slice(0, at), ESC, CTRL_C);
    }
    expect(await kinds()).toHaveLength(before);
    expect(await log.read("bioxen.evt.vm.m1", 0)).toEqual([]);
  });

  it("makes a cell with shares, says how fast it will grow and where it goes, and starts it", async () => {
    const asking = await walk(...CREATE, "exit");
    expect(asking.shown.join("\n")).toContain("on ecoli-1");
    expect(asking.told).toContain("m1 is created");
    expect(asking.told.at(-1)).toContain("m1 is running");
    const { vm } = await session.ask("vmGet", { vmId: "m1" });
    expect(vm).toMatchObject({
      state: "running",
      priority: 3,
      request: { ribosomes: 252, rnaPolymerases: 187 },
    });
  });

  it("offers what the service allows, and nothing else", async () => {
    const mine = ["start", "pause", "resume", "stop", "destroy"];
    // With each state a command that is refused in it: the refusal lists what is allowed.
    const steps: readonly [Given[], string, "vmStart" | "vmResume" | "vmPause"][] = [
      [["pause", "m1"], "paused", "vmStart"],
      [["stop", "m1"], "stopped", "vmResume"],
      [["start", "m1"], "running", "vmPause"],
    ];
    for (const [script, state, wrong] of steps) {
      const asking = await walk(...script, "exit");
      const { vm } = await session.ask("vmGet", { vmId: "m1" });
      expect(vm.state, asking.told.join("\n")).toBe(state);
      if (state === "running") continue;
      const refused = await session.call(wrong, { vmId: "m1" });
      const allowed = refused.ok ? [] : (refused.error.details?.["allowed"] as string[]);
      const offered = allowedVerbs(vm).map(({ name }) => name);
      expect(offered.sort()).toEqual(allowed.filter((verb) => mine.includes(verb)).sort());
    }
  });

  it("shows status, resources, chassis and events", async () => {
    const asking = await walk(
      ...["status", "m1"],
      ...["list", "m1", "status", "explain", "back"],
      ...["resources", "usage", "available", "allocate", "m1", "ribosomes", "100%"],
      ...["optimise", "m1", false, "optimise", "m1"],
      ESC,
      ...["back", "alerts", "rules", "back"],
      ...["chassis", "ecoli-1", "close", "ecoli-1", "open"],
      ESC,
      ...["events", "exit"],
    );
    const shown = asking.shown.join("\n");
    for (const part of [
      "doubling",
      "it is running on ecoli-1",
      "fairness",
      "HELD OF OFFER",
      "ribosomes 503",
      "OPTIMUM",
      "ledger-full",
      "cordoned",
    ]) {
      expect(shown).toContain(part);
    }
    expect(shown).toMatch(/The latest events[\s\S]*chassis\/ecoli-1 uncordoned/);
  });

  it("destroys only what is confirmed", async () => {
    await walk("destroy", "m1", false, "destroy", "m1", ESC, "exit");
    expect((await session.ask("vmGet", { vmId: "m1" })).vm.state).toBe("running");
    await walk("destroy", "m1", true, "exit");
    expect((await session.ask("vmList", {})).vms).toEqual([]);
  });
});
