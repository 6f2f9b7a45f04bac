/**
 * The JetStream clients of a bus. All of them are made here, so that each one uses the bus's JetStream domain and its
 * time limit.
 */
import {
  type JetStreamClient,
  type JetStreamManager,
  type JetStreamOptions,
  jetstream,
  jetstreamManager,
} from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";

export function jetStreamOf(bus: Bus, options: JetStreamOptions = {}): JetStreamClient {
  return jetstream(bus.connection, { ...bus.jetStreamOptions, ...options });
}

export function streamManagerOf(bus: Bus, options: JetStreamOptions = {}): Promise<JetStreamManager> {
  return jetstreamManager(bus.connection, { ...bus.jetStreamOptions, ...options });
}
