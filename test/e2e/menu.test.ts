/**
 * The menu on a real stack with scripted answers: every entry, and leaving at every question.
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

/** Scripted key presses: Esc and Ctrl-C. */
const ESC: unique symbol = Symbol("esc");
const CTRL_C: unique symbol = Symbol("ctrl-c");
type Answer = string | boolean | typeof ESC | typeof CTRL_C;

/**
 * Gives the scripted answers in order and fails when a choice is not offered. After the script ends, every question
 * gets Ctrl-C.
 */
class ScriptedAsking implements Asking {
  readonly shown: string[] = [];
  readonly messages: string[] = [];
  readonly offered: string[][] = [];
  asked = 0;
  readonly #script: Answer[];

  constructor(...script: Answer[]) {
    this.#script = [...script];
  }

  #next(): Answer {
    this.asked += 1;
    const answer = this.#script.shift() ?? CTRL_C;
    if (answer === CTRL_C) throw new MenuLeft();
    return answer;
  }

  async choose<T extends string>(message: string, choices: readonly Choice<T>[]): Promise<T | undefined> {
    this.offered.push(choices.map(({ value }) => value));
    const answer = this.#next();
    if (answer === ESC) return undefined;
    expect(
      choices.map(({ value }) => value as string),
      message,
    ).toContain(answer);
    return answer as T;
  }

  async text({ initial, problem }: TextQuestion): Promise<string | undefined> {
    const answer = this.#next();
    if (answer === ESC) return undefined;
    const text = answer === "" ? (initial ?? "") : String(answer);
    expect(problem?.(text)).toBeUndefined();
    return text;
  }

  async confirm(): Promise<boolean | undefined> {
    const answer = this.#next();
    return answer === ESC ? undefined : answer === true;
  }

  show(body: string, title: string): void {
    this.shown.push(`${title}\n${body}`);
  }

  tell(_kind: string, line: string): void {
    this.messages.push(line);
  }

  during<T>(_message: string, work: Promise<T>): Promise<T> {
    return work;
  }

  async live(draw: () => Promise<string>): Promise<void> {
    this.shown.push(await draw());
  }
}

async function walk(...script: Answer[]): Promise<ScriptedAsking> {
  const asking = new ScriptedAsking(...script);
  await mainMenu(asking, session).catch((thrown: unknown) => {
    if (!(thrown instanceof MenuLeft)) throw thrown;
  });
  return asking;
}

const CREATE: readonly Answer[] = [
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
  it("creates no VM when Esc or Ctrl-C leaves any question of a creation", async () => {
    const before = (await session.ask("vmList", {})).vms.length;
    const log = await session.eventLog();
    const vmIds = async () => (await session.ask("vmList", {})).vms.map(({ vmId }) => vmId);
    for (let at = 1; at < CREATE.length; at += 1) {
      await walk(...CREATE.slice(0, at), CTRL_C);
      await walk(...CREATE.slice(0, at), ESC, CTRL_C);
    }
    expect(await vmIds()).toHaveLength(before);
    expect(await log.read("bioxen.evt.vm.m1", 0)).toEqual([]);
  });

  it("creates a cell with chosen shares, shows its planned placement, and starts it", async () => {
    const asking = await walk(...CREATE, "exit");
    expect(asking.shown.join("\n")).toContain("on ecoli-1");
    expect(asking.messages).toContain("m1 is created");
    expect(asking.messages.at(-1)).toContain("m1 is running");
    const { vm } = await session.ask("vmGet", { vmId: "m1" });
    expect(vm).toMatchObject({
      state: "running",
      priority: 3,
      request: { ribosomes: 252, rnaPolymerases: 187 },
    });
  });

  it("offers exactly the verbs that the service allows", async () => {
    const verbsOfMenu = ["start", "pause", "resume", "stop", "destroy"];
    // Each state comes with a command that it rejects, because the rejection lists the allowed commands.
    const steps: readonly [Answer[], string, "vmStart" | "vmResume" | "vmPause"][] = [
      [["pause", "m1"], "paused", "vmStart"],
      [["stop", "m1"], "stopped", "vmResume"],
      [["start", "m1"], "running", "vmPause"],
    ];
    for (const [script, state, wrong] of steps) {
      const asking = await walk(...script, "exit");
      const { vm } = await session.ask("vmGet", { vmId: "m1" });
      expect(vm.state, asking.messages.join("\n")).toBe(state);
      if (state === "running") continue;
      const refused = await session.call(wrong, { vmId: "m1" });
      const allowed = refused.ok ? [] : (refused.error.details?.["allowed"] as string[]);
      const offered = allowedVerbs(vm).map(({ name }) => name);
      expect(offered.sort()).toEqual(allowed.filter((verb) => verbsOfMenu.includes(verb)).sort());
    }
  });

  it("shows status, resources, alerts, chassis and events", async () => {
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
    expect(shown).toMatch(/Latest events[\s\S]*chassis\/ecoli-1 uncordoned/);
  });

  it("destroys a VM only after a confirmation", async () => {
    await walk("destroy", "m1", false, "destroy", "m1", ESC, "exit");
    expect((await session.ask("vmGet", { vmId: "m1" })).vm.state).toBe("running");
    await walk("destroy", "m1", true, "exit");
    expect((await session.ask("vmList", {})).vms).toEqual([]);
  });
});
