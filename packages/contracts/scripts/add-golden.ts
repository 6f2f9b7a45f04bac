/**
 * `node packages/contracts/scripts/add-golden.ts FILE…` adds a golden event for every type that has none yet.
 *
 * Golden events are described in `golden-events.ts`. Each FILE has one event per line, either as `bioxen events tail
 * --json --no-follow` prints it, or as stored (`{seq, subject, payload}`, as in test/data). An existing golden event is
 * never overwritten.
 *
 * `--readings` rewrites the reading of every golden event: the event and the state that the present code derives from
 * the stored bytes. The diff of the readings shows how the meaning of old events changes: read the diff before you
 * commit it.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { encodeEvent } from "@bioxen/contracts";
import type { EventEnvelope } from "@bioxen/kernel";
import { ALL_TYPES, goldenPath, goldenTypes, readingOf, readingPath } from "./golden-events.ts";

type Line = { readonly payload: string } | ({ readonly seq?: number } & EventEnvelope);

/** Returns the bytes of the event in a line: as they were stored, or as a printed event would be stored. */
function bytesOf(line: Line): Uint8Array {
  if ("payload" in line) return new TextEncoder().encode(line.payload);
  const { seq: _, ...envelope } = line;
  return encodeEvent(envelope);
}

function writeReading(type: string): void {
  const path = readingPath(type);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(readingOf(readFileSync(goldenPath(type))), null, 2)}\n`);
}

const args = process.argv.slice(2);
const fresh: string[] = [];
for (const file of args.filter((arg) => arg !== "--readings")) {
  for (const text of readFileSync(file, "utf8").split("\n").filter(Boolean)) {
    const bytes = bytesOf(JSON.parse(text) as Line);
    const { type } = JSON.parse(new TextDecoder().decode(bytes)) as EventEnvelope;
    if (!ALL_TYPES.includes(type) || existsSync(goldenPath(type))) continue;
    writeFileSync(goldenPath(type), bytes);
    fresh.push(type);
  }
}
for (const type of args.includes("--readings") ? goldenTypes() : fresh) writeReading(type);
const missing = ALL_TYPES.filter((type) => !existsSync(goldenPath(type)));
console.log(`${fresh.length} golden events added${fresh.map((type) => `\n  ${type}`).join("")}`);
if (missing.length > 0) {
  console.error(`types without a golden event:${missing.map((type) => `\n  ${type}`).join("")}`);
  process.exitCode = 1;
}
