/**
 * Processor time of the processes of a stack, from /proc of Linux.
 */
import { readFile } from "node:fs/promises";
import type { LocalStack } from "@bioxen/local-stack";

/** Clock ticks per second in /proc, on Linux everywhere. */
const TICKS_PER_S = 100;

/** Processor time of a process, s: of its main thread, and of all its threads. */
export interface ProcessSeconds {
  readonly main: number;
  readonly all: number;
}

/** Returns the processor time of each process of the stack so far, and of this process. */
export async function processorSeconds(stack: LocalStack): Promise<ReadonlyMap<string, ProcessSeconds>> {
  const processes = [...stack.services(), ...(await servers()), { name: "client", pid: process.pid }];
  return new Map(
    await Promise.all(processes.map(async ({ name, pid }) => [name, await secondsOf(pid)] as const)),
  );
}

/** Returns a line with what each process used between two readings, ms of one core per unit of work. */
export function costLine(
  before: ReadonlyMap<string, ProcessSeconds>,
  after: ReadonlyMap<string, ProcessSeconds>,
  units: number,
): string {
  const each = [...after].map(([name, { main, all }]) => {
    const start = before.get(name) ?? { main: 0, all: 0 };
    const ms = (seconds: number) => ((seconds * 1_000) / units).toFixed(2);
    return `${name} ${ms(all - start.all)} (main thread ${ms(main - start.main)})`;
  });
  return each.join(", ");
}

/** Returns the nats-servers that this process has started. */
async function servers(): Promise<{ name: string; pid: number }[]> {
  const children = await readFile(`/proc/self/task/${process.pid}/children`, "utf8");
  const named = children
    .split(" ")
    .filter(Boolean)
    .map(async (pid) => {
      const name = (await readFile(`/proc/${pid}/comm`, "utf8")).trim();
      return { name, pid: Number(pid) };
    });
  return (await Promise.all(named)).filter(({ name }) => name === "nats-server");
}

async function secondsOf(pid: number | null): Promise<ProcessSeconds> {
  if (pid === null) return { main: 0, all: 0 };
  const main = await statSeconds(`/proc/${pid}/task/${pid}/stat`);
  return { main, all: await statSeconds(`/proc/${pid}/stat`) };
}

async function statSeconds(file: string): Promise<number> {
  const stat = await readFile(file, "utf8");
  // The name of the process, in parentheses, may contain spaces. utime and stime are the 14th and the 15th field.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}
