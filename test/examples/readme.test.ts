/**
 * The examples of the README run: the tour line by line, and the program unchanged.
 */
import { readFile } from "node:fs/promises";
import { BioxenError, connect, createBiologicalVm, createBioVm } from "@bioxen/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { World } from "../e2e/world.ts";

let world: World;
let readme: string;
beforeAll(async () => {
  world = await World.shared({ chassis: "ecoli:2,yeast:1", timeScale: 10 });
  readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
});
afterAll(() => world.close());

/** The words of a command line, split as a shell would. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");
}

describe("the README", () => {
  it("has a tour whose commands all succeed, line by line", async () => {
    const tour = /```sh tour\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
    const lines = tour.trim().split("\n");
    expect(lines.length).toBeGreaterThan(15);
    for (const line of lines) {
      const [command, ...args] = wordsOf(line);
      expect(command).toBe("bioxen");
      const result = await world.bioxen(...args);
      expect(result.code, `${line}: ${result.stdout}${result.stderr}`).toBe(0);
    }
  });

  it("has a program that prints the doubling time, the growth rate and the log of the VM", async () => {
    const program = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
    const lines: string[] = [];
    const body = program.replace(/^import .*$/m, "").replace("nats://127.0.0.1:4222", world.url);
    const run = new Function("connect", "console", `return (async () => {${body}})()`);
    await run(connect, { log: (value: unknown) => lines.push(String(value)) });
    expect(Number(lines[0])).toBeCloseTo(150.42, 1);
    expect(Number(lines[1])).toBeCloseTo(Math.LN2 / 150.42, 5);
    expect(lines[2]).toMatch(/^\d+ bioxen\.vm\.created\.v1$/);
    expect(lines.at(-1)).toMatch(/^\d+ bioxen\.vm\.destroyed\.v1$/);
  });
});

describe("the client library", () => {
  it("creates VMs with the calls of the original library, and rejects with typed errors", async () => {
    const bioxen = await connect({ servers: world.url });
    const vm = await createBioVm("lib-1", "syn3a", "basic", { resources: { ribosomes: "50%" } });
    const other = await createBiologicalVm("basic", { biologicalType: "minimal_cell" });
    expect(other.id).toMatch(/^vm-[a-z2-7]{12}$/);
    await vm.start();
    expect(await vm.status()).toMatchObject({ state: "running", allocation: { ribosomes: 252 } });
    expect((await vm.exec("return cell.id")).result).toBe("lib-1");
    const kinds = new Set<string>();
    for await (const news of vm.watch()) {
      if (kinds.size === 0) await vm.pause();
      kinds.add(news.kind);
      if (kinds.size === 2) break;
    }
    await vm.resume();
    expect((await vm.resources.optimise()).allocation).toMatchObject({ ribosomes: 503 });
    expect((await vm.resources.usage())["ribosomes"]).toMatchObject({ allocated: 503 });
    expect((await vm.resources.available())["ribosomes"]).toBeGreaterThan(1_000);
    const refused = await vm.resources.allocate({ ribosomes: 10_000_000 }).catch((thrown: unknown) => thrown);
    expect(refused).toBeInstanceOf(BioxenError);
    expect(refused).toMatchObject({ code: "CAPACITY_EXCEEDED" });
    const big = await bioxen.createBioVm("lib-big", "ecoli", "basic", {
      placement: { chassisId: "ecoli-1" },
    });
    await expect(big.start()).rejects.toMatchObject({ code: "INFEASIBLE" });
    expect((await bioxen.list()).map((view) => view.vmId)).toContain("lib-1");
    await Promise.all([vm.destroy(), other.destroy(), big.destroy()]);
    expect((await vm.history()).at(-1)?.type).toBe("bioxen.vm.destroyed.v1");
    await bioxen.close();
  });
});
