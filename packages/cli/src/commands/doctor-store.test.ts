/**
 * The words of `bioxen doctor` about streams, buckets, copies and sizes.
 */
import type { StoreReport } from "@bioxen/nats";
import { storedStream as stored } from "@bioxen/testkit/stored-stream";
import { expect, it } from "vitest";
import { findingsOf, writeFindings } from "./doctor-store.ts";

const words = (report: Partial<StoreReport>) =>
  findingsOf({ streams: [stored("A", {})], foreign: [], ...report }).map(
    ({ check, verdict, found }) => `${verdict} ${check}: ${found}`,
  );

it("finds nothing in a store as declared", () => {
  expect(words({})).toEqual([
    "ok streams: as declared",
    "ok buckets: as declared",
    "ok copies: 1 of each stream",
    "ok foreign streams: none on the subjects of BioXen",
  ]);
});

it("fails for an absent stream, and warns of an absent bucket, which its next user creates", () => {
  const found = words({ streams: [stored("A"), stored("KV_b")] });
  expect(found.slice(0, 2)).toEqual(["fail streams: A is missing", "warn buckets: KV_b is missing"]);
});

it("names a setting with both values", () => {
  const drift = [{ setting: "max_msgs", declared: -1, present: 1 }];
  expect(words({ streams: [stored("A", { drift })] })[0]).toBe(
    "fail streams: A: max_msgs is 1 instead of -1",
  );
});

it("fails when a copy is missing", () => {
  const streams = [stored("A", { copies: { wanted: 3, present: 1 } }), stored("B", {})];
  expect(words({ streams })[2]).toBe("fail copies: A has 1 of 3");
});

it.each([
  [100, "ok sizes: A uses 10 % of 1000 bytes"],
  [800, "warn sizes: A uses 80 % of 1000 bytes"],
  [995, "fail sizes: A uses 100 % of 1000 bytes"],
])("judges %d of 1000 bytes", (bytes, finding) => {
  expect(words({ streams: [stored("A", { bytes, maxBytes: 1_000 })] })[3]).toBe(finding);
});

it("fails for a foreign stream that answers requests, and warns of one that copies telemetry", () => {
  const stream = { name: "X", subjects: ["bioxen.cmd.>", "bioxen.qry.>"], interferes: true };
  expect(words({ foreign: [stream] })[3]).toBe(
    "fail foreign streams: stream X takes bioxen.cmd.> and bioxen.qry.>",
  );
  const copy = { name: "Y", subjects: ["bioxen.tel.>"], interferes: false };
  expect(words({ foreign: [copy] })[3]).toBe("warn foreign streams: stream Y takes bioxen.tel.>");
});

it("fails when running services store no lease, and has no line when they do", () => {
  expect(writeFindings(undefined)).toEqual([]);
  expect(writeFindings(12_345)).toEqual([
    {
      check: "writes",
      verdict: "fail",
      found: "the server has stored no lease for 12 s, although services run: its disk may be full",
      remedy: "make room on the disk of the server, and restart the server",
    },
  ]);
});
