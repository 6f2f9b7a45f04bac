/** Compiles and runs `cvode/weisse.c`, which integrates cells with CVODE. */
import { execFile, spawn } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { CellEnvironment, CellType, limitsOf } from "@bioxen/cell-models";

const SOURCE = fileURLToPath(new URL("cvode/weisse.c", import.meta.url));
const LIBRARIES = ["cvode", "nvecserial", "sunlinsoldense", "sunmatrixdense"];
/** The tolerances of the cells, see packages/cell-models/src/solver.ts. */
export const CELL_TOLERANCE = 3e-6;
const ABSOLUTE_PER_MASS = 1e-6 / 1e8;
const GENERATIONS = 1e-7;

export interface CvodeRun {
  readonly type: CellType;
  /** Relative tolerance; the absolute tolerances shrink with it. */
  readonly tolerance: number;
  /** Whether a step must end at each minute, as those of a cell do; else the solver interpolates. */
  readonly endsEachMinute: boolean;
  readonly sliceMinutes: number;
  readonly slices: number;
  /** 0: the medium stays the first one. */
  readonly slicesBetweenChanges: number;
  readonly cells: readonly {
    readonly state: readonly number[];
    /** The medium from the start, and the one after the first change; they alternate. */
    readonly media: readonly [CellEnvironment, CellEnvironment];
    readonly limits: ReturnType<typeof limitsOf>;
  }[];
}

/** Returns the path of the program in an object, or why there is none. */
export async function buildCvode(): Promise<{ readonly path: string } | string> {
  const path = join(await mkdtemp(join(tmpdir(), "bioxen-cvode-")), "weisse");
  const libraries = LIBRARIES.map((name) => `-lsundials_${name}`);
  try {
    await promisify(execFile)("cc", ["-O3", "-o", path, SOURCE, ...libraries, "-lm"]);
    return { path };
  } catch (error) {
    return `it needs a C compiler and libsundials-dev (${String((error as Error).message).split("\n")[1] ?? error})`;
  }
}

/** Returns the processor time of the integration in seconds, and the end state of each cell. */
export async function runCvode(
  { path }: { readonly path: string },
  run: CvodeRun,
): Promise<{ readonly seconds: number; readonly states: readonly (readonly number[])[] }> {
  const child = spawn(path, { stdio: ["pipe", "pipe", "inherit"] });
  const output = text(child.stdout);
  child.stdin.end(inputOf(run));
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new Error(`${path} ended with ${code}`);
  const [head, ...rows] = (await output).trim().split("\n");
  const numbers = (line: string) => line.trim().split(" ").map(Number);
  return { seconds: numbers(head as string)[0] as number, states: rows.map(numbers) };
}

/** The numbers in the order that `weisse.c` reads. */
function inputOf(run: CvodeRun): string {
  const { type, tolerance, endsEachMinute, sliceMinutes, slices, slicesBetweenChanges, cells } = run;
  const p = type.parameters;
  const size = cells[0]?.state.length ?? 0;
  const scale = tolerance / CELL_TOLERANCE;
  const absolute = new Array<number>(size).fill(scale * ABSOLUTE_PER_MASS * p.mass);
  absolute[0] = scale * GENERATIONS;
  const parameters = [
    ...[p.mass, p.ribosomeLength, p.proteinLength, p.elongationMax, p.elongationEnergy],
    ...[p.importRate, p.importSubstrate, p.catabolicRate, p.catabolicSubstrate],
    ...[p.transcriptionRibosome, p.transcriptionEnzyme, p.transcriptionHousekeeping],
    ...[p.transcriptionEnergyRibosome, p.transcriptionEnergyOther, p.housekeepingAutoinhibition],
    ...[p.mrnaDecay, p.binding, p.unbinding, p.chloramphenicolBinding, p.energyPool],
  ];
  const medium = (environment: CellEnvironment) => {
    const { nutrientQuality, substrate, chloramphenicolMicromolar } = {
      ...type.surroundings,
      ...environment,
    };
    return [nutrientQuality, substrate, chloramphenicolMicromolar];
  };
  const rows = cells.map(({ state, media, limits: l }) => [
    ...state,
    ...media.flatMap(medium),
    ...[l.ribosomeCap, l.bindablePerPlace, l.atpShare, l.transcriptionShare],
  ]);
  const head = [tolerance, size, ...absolute, ...parameters];
  const course = [endsEachMinute ? 1 : 0, cells.length, sliceMinutes, slices, slicesBetweenChanges];
  return [head, course, ...rows].map((row) => row.join(" ")).join("\n");
}
