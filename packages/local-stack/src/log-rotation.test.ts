import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { rotateLogs, rotateWhenFull } from "./log-rotation.ts";

const LIMITS = { maxBytes: 100, kept: 2 };

function newLog(): string {
  return join(mkdtempSync(join(tmpdir(), "bioxen-logs-")), "monitor.log");
}

it("a full log becomes the youngest older log, and the oldest one goes", () => {
  const log = newLog();
  for (const generation of ["a", "b", "c"]) {
    appendFileSync(log, generation.repeat(100));
    expect(rotateWhenFull(log, LIMITS)).toBe(true);
  }
  expect(readFileSync(log, "utf8")).toBe("");
  expect(readFileSync(`${log}.1`, "utf8")).toBe("c".repeat(100));
  expect(readFileSync(`${log}.2`, "utf8")).toBe("b".repeat(100));
  expect(existsSync(`${log}.3`)).toBe(false);
});

it("a log below the limit and a log that does not exist stay as they are", () => {
  const log = newLog();
  expect(rotateWhenFull(log, LIMITS)).toBe(false);
  appendFileSync(log, "a".repeat(99));
  expect(rotateWhenFull(log, LIMITS)).toBe(false);
  expect(statSync(log).size).toBe(99);
});

it("a process that has the log open goes on at the beginning, and no line is lost", () => {
  const log = newLog();
  const open = openSync(log, "a");
  for (let line = 0; line < 30; line += 1) {
    writeSync(open, `line ${line}\n`);
    rotateWhenFull(log, { ...LIMITS, kept: 9 });
  }
  closeSync(open);
  const older = [5, 4, 3, 2, 1].filter((n) => existsSync(`${log}.${n}`));
  const all = [...older.map((n) => readFileSync(`${log}.${n}`, "utf8")), readFileSync(log, "utf8")].join("");
  expect(all).toBe(Array.from({ length: 30 }, (_, line) => `line ${line}\n`).join(""));
  expect(older.length).toBeGreaterThan(0);
});

it("a log that cannot be rotated is reported once", async () => {
  const [log, blocked] = [newLog(), newLog()];
  for (const file of [log, blocked]) appendFileSync(file, "a".repeat(100));
  // A directory is where the older log would be.
  mkdirSync(`${blocked}.1`);
  const reports: string[] = [];
  let looks = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const files = () => {
    looks += 1;
    if (looks === 3) resolve();
    return [blocked, log];
  };
  const stop = rotateLogs(files, (line) => reports.push(line), { ...LIMITS, kept: 1 }, 1);
  await promise;
  stop();
  expect(reports).toHaveLength(1);
  expect(reports[0]).toContain(`cannot rotate ${blocked}`);
  expect(readFileSync(`${log}.1`, "utf8")).toBe("a".repeat(100));
});
