/**
 * What BioXen stores on the server, as measurements. Jobs are counted by the sizes of their streams: a finished job
 * leaves the stream of jobs, and each dead letter is one message.
 */
import { DEAD_LETTER_STREAM, JOB_STREAM, type Measurement, type MetricName } from "@bioxen/contracts";
import type { PresentStream, StoreReport } from "@bioxen/nats";

/** Returns the sizes of the streams, and the numbers of jobs. Absent streams have no values. */
export function storeMeasurements({ streams }: StoreReport): readonly Measurement[] {
  const present = streams.flatMap(({ name, present: state }) =>
    state === undefined ? [] : [{ name, state }],
  );
  const ofEach = (metric: MetricName, of: (state: PresentStream) => number | undefined): Measurement => ({
    metric,
    values: present.flatMap(({ name: stream, state }) => {
      const value = of(state);
      return value === undefined ? [] : [{ value, labels: { stream } }];
    }),
  });
  const messagesOf = (metric: MetricName, stream: string): Measurement => ({
    metric,
    values: present.flatMap(({ name, state }) => (name === stream ? [{ value: state.messages }] : [])),
  });
  return [
    messagesOf("bioxen_jobs_waiting", JOB_STREAM),
    messagesOf("bioxen_jobs_failed", DEAD_LETTER_STREAM),
    ofEach("bioxen_stream_bytes", ({ bytes }) => bytes),
    ofEach("bioxen_stream_messages", ({ messages }) => messages),
    ofEach("bioxen_stream_limit_bytes", ({ maxBytes }) => maxBytes),
  ];
}
