/**
 * Measurements of the store and of snapshots, from known states.
 */
import { DEAD_LETTER_STREAM, EVENT_STREAM, JOB_STREAM } from "@bioxen/contracts";
import { storedStream as stored } from "@bioxen/testkit/stored-stream";
import { expect, it } from "vitest";
import { snapshotMeasurements } from "./snapshots.ts";
import { storeMeasurements } from "./store-measurements.ts";

it("the store: each present stream by name, and the numbers of jobs", () => {
  const streams = [
    stored(EVENT_STREAM, { messages: 7, bytes: 700, maxBytes: 1_000 }),
    stored(JOB_STREAM, { messages: 3, bytes: 30 }),
    stored(DEAD_LETTER_STREAM, { messages: 2, bytes: 20 }),
    stored("KV_absent"),
  ];
  const of = (stream: string, value: number) => ({ value, labels: { stream } });
  expect(storeMeasurements({ streams, foreign: [] })).toEqual([
    { metric: "bioxen_jobs_waiting", values: [{ value: 3 }] },
    { metric: "bioxen_jobs_failed", values: [{ value: 2 }] },
    {
      metric: "bioxen_stream_bytes",
      values: [of(EVENT_STREAM, 700), of(JOB_STREAM, 30), of(DEAD_LETTER_STREAM, 20)],
    },
    {
      metric: "bioxen_stream_messages",
      values: [of(EVENT_STREAM, 7), of(JOB_STREAM, 3), of(DEAD_LETTER_STREAM, 2)],
    },
    { metric: "bioxen_stream_limit_bytes", values: [of(EVENT_STREAM, 1_000)] },
  ]);
});

it("a snapshot: its sequence and its age; no values without a snapshot", () => {
  const head = { seq: 50_000, streamSubject: "x", digest: "d", takenAtMs: 10_000, schemas: {} };
  const values = (now: number, newest?: typeof head) =>
    snapshotMeasurements(newest, now).map(({ metric, values: all }) => [metric, all.map((one) => one.value)]);
  expect(values(12_500, head)).toEqual([
    ["bioxen_snapshot_sequence", [50_000]],
    ["bioxen_snapshot_age_seconds", [2.5]],
  ]);
  expect(values(12_500)).toEqual([
    ["bioxen_snapshot_sequence", []],
    ["bioxen_snapshot_age_seconds", []],
  ]);
});
