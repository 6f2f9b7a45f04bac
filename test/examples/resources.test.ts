/**
 * The commands in docs/resources.md run, line by line.
 */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bioxenHere, useStackOf } from "../e2e/in-process.ts";
import { World } from "../e2e/world.ts";

/** Time limit for the whole page, ms: on a machine that is busy with other tests, one line can take seconds. */
const LIMIT_MS = 300_000;

let world: World;
beforeAll(async () => {
  world = await World.shared({ chassis: "ecoli:2,yeast:1", timeScale: 10 });
  useStackOf(world);
});
afterAll(() => world.close());

it(
  "every command in docs/resources.md succeeds and prints what the page describes",
  async () => {
    const page = await readFile(new URL("../../docs/resources.md", import.meta.url), "utf8");
    const blocks = [...page.matchAll(/```sh resources\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
    const lines = blocks.join("").trim().split("\n");
    expect(lines.length).toBeGreaterThan(12);
    const outputs = new Map<string, string>();
    for (const line of lines) {
      const [command, ...args] = line.split(" ");
      expect(command).toBe("bioxen");
      const result = await bioxenHere(args);
      expect(result.code, `${line}: ${result.stdout}${result.stderr}`).toBe(0);
      outputs.set(line, result.stdout);
    }
    expect(outputs.get("bioxen ledger verify")).toContain("the accounts are consistent at every sequence");
    expect(outputs.get("bioxen quota get team=red")).toContain("420 of 600");
    expect(outputs.get("bioxen ledger show yeast-1")).toContain("1.5 × real capacity");
    expect(outputs.get("bioxen vm optimise red-1")).toContain("doubling time");
    const proof = await bioxenHere(["ledger", "verify", "--json"]);
    expect(JSON.parse(proof.stdout)).toMatchObject({ violations: [], firstViolationSeq: null });
    const unknown = await bioxenHere(["vm", "optimise", "no-such-vm", "--json"]);
    expect(JSON.parse(unknown.stdout).error.code).toBe("VM_NOT_FOUND");
  },
  LIMIT_MS,
);
