/**
 * What a run asks of the cluster beside its requests: VMs to name, figures of the services, and the log.
 */

import type { ServiceSample } from "@bioxen/contracts";
import { walkLog } from "@bioxen/contracts";
import { LogVerifier, type VerifierReport } from "@bioxen/log-verifier";
import { eventually } from "@bioxen/testkit/eventually";
import { headers, type NatsConnection } from "@nats-io/transport-node";
import { Session } from "../../packages/cli/src/session.ts";
import type { LoggedEvent } from "./account.ts";
import { CORRELATION_ID } from "./headers.ts";

const TIMEOUT_MS = 20_000;
/** Time in which all services answer a PING, ms. */
const PING_MS = 1_000;

// biome-ignore lint/suspicious/noExplicitAny: a client knows no types.
type Json = any;

export class Cluster {
  readonly #nats: NatsConnection;
  readonly #url: string;
  /** The lowest resident size of each service since the last call of {@link restartSizes}, bytes. */
  readonly #sizes = new Map<string, number>();

  constructor(nats: NatsConnection, url: string) {
    this.#nats = nats;
    this.#url = url;
    nats.subscribe("bioxen.tel.service.*", {
      callback: (_error, message) => {
        const { service, residentBytes } = message.json<ServiceSample>();
        this.#sizes.set(service, Math.min(residentBytes, this.#sizes.get(service) ?? residentBytes));
      },
    });
  }

  async ask(subject: string, payload: object, correlation?: string): Promise<Json> {
    const h = headers();
    if (correlation !== undefined) h.set(CORRELATION_ID, correlation);
    const options = { timeout: TIMEOUT_MS, headers: h };
    return (await this.#nats.request(`bioxen.${subject}`, JSON.stringify(payload), options)).json<Json>();
  }

  /** Makes the VMs that requests name: one that runs, one that is paused, one that was never started; a snapshot. */
  async setUp(correlation: string): Promise<void> {
    const done = async (subject: string, payload: object) => {
      const reply = await this.ask(subject, payload, correlation);
      if (reply.ok !== true) throw new Error(`${subject}: ${JSON.stringify(reply.error)}`);
    };
    const isIn = (vmId: string, state: string) =>
      eventually(`${vmId} is ${state}`, async () =>
        (await this.ask("qry.vm.get", { vmId })).vm?.state === state ? true : undefined,
      );
    for (const vmId of ["fz-run", "fz-pause", "fz-new"]) {
      await done("cmd.vm.create", { vmId, biologicalType: "syn3a", labels: { fz: "1" } });
    }
    for (const vmId of ["fz-run", "fz-pause"]) {
      await done("cmd.vm.start", { vmId });
      await isIn(vmId, "running");
    }
    await done("cmd.vm.pause", { vmId: "fz-pause" });
    await done("cmd.vm.snapshot", { vmId: "fz-run", snapshotId: "fz-s1" });
  }

  async lastSequence(): Promise<number> {
    const reply = await this.#nats.request("$JS.API.STREAM.INFO.BIOXEN_EVENTS", "", { timeout: TIMEOUT_MS });
    return reply.json<Json>().state.last_seq;
  }

  /** HTTP addresses of all services. */
  async httpUrls(): Promise<string[]> {
    const urls = new Set<string>();
    for await (const message of await this.#nats.requestMany("$SRV.PING", "", { maxWait: PING_MS })) {
      const url = message.json<Json>().metadata?.url;
      if (typeof url === "string") urls.add(url);
    }
    return [...urls].sort();
  }

  /** Returns how many requests all services have dropped for their reply subject. */
  async dropped(urls: readonly string[]): Promise<number> {
    let sum = 0;
    for (const url of urls) {
      const text = await (await fetch(`${url}/metrics`)).text();
      for (const [, value] of text.matchAll(
        /^bioxen_requests_dropped_total\{[^}]*reason="reply"[^}]*\} (\d+)/gm,
      )) {
        sum += Number(value);
      }
    }
    return sum;
  }

  /** Returns the 99th percentile of the time of a `vm.get` that has the system for itself, ms. */
  async loneQueryMs(count: number): Promise<number> {
    const took: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const beganAt = performance.now();
      await this.ask("qry.vm.get", { vmId: "fz-run" });
      took.push(performance.now() - beganAt);
    }
    took.sort((a, b) => a - b);
    return took[Math.floor(count * 0.99)] ?? 0;
  }

  restartSizes(): void {
    this.#sizes.clear();
  }
  sizes(): Map<string, number> {
    return new Map(this.#sizes);
  }

  /** Reads the whole log. Returns what the verifier says, and all events. */
  async log(): Promise<{ readonly report: VerifierReport; readonly events: readonly LoggedEvent[] }> {
    const verifier = new LogVerifier();
    const events: LoggedEvent[] = [];
    const session = await Session.open({ server: this.#url });
    try {
      const cause = await walkLog(
        await session.eventLog(),
        (event) => {
          verifier.observe(event);
          const { seq, envelope } = event;
          const { id, type, subject, causationid, correlationid } = envelope;
          events.push({ seq, id, type, subject, causationid, correlationid });
        },
        { stallMs: session.timeoutMs, onUnreadable: (message) => verifier.unreadable(message) },
      );
      if (cause !== undefined) throw cause;
    } finally {
      await session.close();
    }
    return { report: verifier.report(), events };
  }
}
