/**
 * A small version of `pnpm chaos:experiment`: an experiment ends with all its results while each process is killed
 * once, and a cancelled one leaves no VM.
 */
import { SERVICES } from "@bioxen/local-stack";
import { expect, it } from "vitest";
import { runExperiment } from "./experiment.ts";

const VMS = 60;
/** Places for three of the cells, so that the results come few at a time, and every kill is in the middle. */
const PLACES = { biologicalType: "ecoli", chassis: "yeast:1" } as const;
const TEST_MS = 900_000;

it(
  "an experiment survives a kill of every process, and leaves no VM",
  async () => {
    const lines: string[] = [];
    const result = await runExperiment({
      vms: VMS,
      ...PLACES,
      cancelAfter: 1,
      say: (line) => lines.push(line),
    });
    console.log(lines.join("\n"));
    expect(result.problems).toEqual([]);
    expect(result.kills, "each service and the server").toBe(SERVICES.length + 1);
  },
  TEST_MS,
);
