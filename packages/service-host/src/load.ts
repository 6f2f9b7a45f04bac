/**
 * The load of the inbox as measurements.
 */
import type { MeasuredValue, Measurement } from "@bioxen/contracts";
import type { InboxLoad } from "@bioxen/nats";

/** Returns the numbers of waiting, running and refused requests, of dropped messages and of lost connections. */
export function loadMeasurements({ lanes, dropped, connectionLosses }: InboxLoad): readonly Measurement[] {
  const byLane = (numberOf: (lane: InboxLoad["lanes"][number]) => number): MeasuredValue[] =>
    lanes.map((lane) => ({ value: numberOf(lane), labels: { lane: lane.lane } }));
  return [
    { metric: "bioxen_requests_under_way", values: byLane(({ underWay }) => underWay) },
    { metric: "bioxen_requests_waiting", values: byLane(({ waiting }) => waiting) },
    {
      metric: "bioxen_requests_refused_total",
      values: lanes.flatMap(({ lane, refused }) =>
        Object.entries(refused).map(([code, value]) => ({ value, labels: { lane, code } })),
      ),
    },
    {
      metric: "bioxen_requests_dropped_total",
      values: Object.entries(dropped).map(([reason, value]) => ({ value, labels: { reason } })),
    },
    {
      metric: "bioxen_connection_losses_total",
      values: Object.entries(connectionLosses).map(([connection, value]) => ({
        value,
        labels: { connection },
      })),
    },
  ];
}
