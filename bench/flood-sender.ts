/**
 * The client that floods a service, in a thread of its own. The client sends one kind of request as fast as it can, up
 * to a maximum rate, and counts the answers by their code.
 */
import { parentPort, workerData } from "node:worker_threads";
import { connect } from "@nats-io/transport-node";

export interface FloodOrder {
  readonly url: string;
  readonly subject: string;
  /** Requests per second. */
  readonly rate: number;
  readonly seconds: number;
  /** `"pause"`: each request names the same VM. `"create"`: each request names a new VM. */
  readonly kind: "pause" | "create";
}

export interface FloodResult {
  readonly sent: number;
  /** Number of answers by code; `OK` for success, `NO_RESPONDERS` when the server found no service. */
  readonly answers: Readonly<Record<string, number>>;
  readonly lastAnswerAtMs: number;
}

/** Interval at which a slice of the requests is sent, ms. */
const SLICE_MS = 5;
/** Silence after which no further answer is expected, ms. */
const SILENCE_MS = 2_000;
const MS_PER_SECOND = 1_000;

async function flood({ url, subject, rate, seconds, kind }: FloodOrder): Promise<FloodResult> {
  const connection = await connect({ servers: url, name: "flood", inboxPrefix: "_INBOX_FLOOD" });
  const answers: Record<string, number> = {};
  let lastAnswerAtMs = Date.now();
  connection.subscribe("_INBOX_FLOOD.a.*", {
    callback: (_error, message) => {
      const status = message.headers?.get("Nats-Service-Error");
      const code =
        message.headers?.code === 503 ? "NO_RESPONDERS" : (status?.slice(0, status.indexOf(":")) ?? "OK");
      answers[code || "OK"] = (answers[code || "OK"] ?? 0) + 1;
      lastAnswerAtMs = Date.now();
    },
  });
  await connection.flush();
  const pause = JSON.stringify({ vmId: "flooded" });
  let sent = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < seconds * MS_PER_SECOND) {
    const due = Math.min(((performance.now() - startedAt) * rate) / MS_PER_SECOND, rate * seconds);
    for (; sent < due; sent += 1) {
      const payload =
        kind === "pause" ? pause : JSON.stringify({ vmId: `flood-${sent}`, biologicalType: "syn3a" });
      connection.publish(subject, payload, { reply: `_INBOX_FLOOD.a.${sent}` });
    }
    await new Promise((resolve) => setTimeout(resolve, SLICE_MS));
  }
  await connection.flush();
  parentPort?.postMessage("sent");
  lastAnswerAtMs = Date.now();
  while (Date.now() - lastAnswerAtMs < SILENCE_MS) await new Promise((resolve) => setTimeout(resolve, 100));
  await connection.close();
  return { sent, answers, lastAnswerAtMs };
}

parentPort?.postMessage(await flood(workerData as FloodOrder));
