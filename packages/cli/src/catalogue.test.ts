import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { addCommands, CATALOGUE } from "./catalogue.ts";
import { commandPaths, createProgram } from "./program.ts";

/** Names and aliases of the direct subcommands of a command. */
const namesBelow = (command: Command | undefined) =>
  (command?.commands ?? []).flatMap((child) => [child.name(), ...child.aliases()]);

describe("the catalogue", () => {
  it("names exactly the commands and aliases that each module adds", async () => {
    for (const entry of CATALOGUE) {
      for (const { names, load } of "names" in entry ? [entry] : entry.modules) {
        const parent = new Command();
        (await load())(parent);
        expect(namesBelow(parent)).toEqual(names);
      }
    }
  });

  it("adds only the module of the called command", async () => {
    const program = new Command();
    await addCommands(program, ["vm", "migrate", "c1"]);
    expect(namesBelow(program)).toEqual(["vm"]);
    expect(namesBelow(program.commands[0])).toEqual(["migrate"]);
  });

  it("adds all commands for help, for completion and for an unknown word", async () => {
    const all = namesBelow(await createProgram());
    for (const words of [["--help"], ["help", "vm"], ["completion", "bash"], ["crate"]]) {
      expect(namesBelow(await createProgram(words))).toEqual(all);
    }
    const vm = (await createProgram()).commands.find((command) => command.name() === "vm");
    for (const words of [["vm"], ["vm", "--help"], ["vm", "crate"]]) {
      expect(namesBelow((await createProgram(words)).commands[0])).toEqual(namesBelow(vm));
    }
  });

  it("finds every command by its own words", async () => {
    for (const path of await commandPaths()) {
      const words = path.split(" ");
      let command: Command | undefined = await createProgram(words);
      for (const word of words) command = command?.commands.find((child) => child.name() === word);
      expect(command?.name()).toBe(words.at(-1));
    }
  });
});
