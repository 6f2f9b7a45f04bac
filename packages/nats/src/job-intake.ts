/**
 * Stores the durable commands of tenants.
 *
 * The server stores the jobs of admins and operators itself. It drops a job with a message id that any principal
 * has used, so a tenant could use up the ids of another one. The jobs of a tenant therefore arrive here, and are stored
 * under an id that names the tenant. The tenant gets the acknowledgement of the stream, as from the server; while no
 * instance of the intake runs, it gets none and must publish again.
 */
import {
  ARRIVING_TENANT_JOBS,
  commandSubject,
  ENDPOINTS,
  forbiddenTo,
  isJobCommand,
  jobIdProblem,
  MAX_JOB_ID_LENGTH,
  mappedParts,
  storedJobSubject,
  tenantJobId,
} from "@bioxen/contracts";
import { Fault, messageOf } from "@bioxen/kernel";
import type { Msg } from "@nats-io/nats-core";
import type { Bus } from "./bus.ts";
import { takenInHeaders } from "./job-message.ts";
import { JobStore } from "./job-store.ts";
import { verdictOf } from "./reply-subjects.ts";

const QUEUE = "bioxen-job-intake";
/** Maximum number of jobs of one tenant that are being stored at one time. A further one is refused at once. */
const MAX_STORING = 64;

const COMMANDS = new Map(Object.values(ENDPOINTS).map((endpoint) => [endpoint.subject as string, endpoint]));

/** The acknowledgement of JetStream, or an error in its form. */
type Acknowledgement =
  | { readonly stream: string; readonly seq: number; readonly duplicate: boolean }
  | { readonly error: { readonly code: number; readonly description: string } };

export interface JobIntake {
  /** Takes no more jobs in; resolves when those under way are stored. */
  stop(): Promise<void>;
}

export async function openJobIntake(bus: Bus): Promise<JobIntake> {
  const store = await JobStore.open(bus);
  const storing = new Map<string, number>();
  const underWay = new Set<Promise<void>>();
  const callback = (error: Error | null, message: Msg) => {
    if (error !== null) return;
    const work = takeIn(store, storing, message)
      .then((ack) => acknowledge(message, ack))
      .finally(() => underWay.delete(work));
    underWay.add(work);
  };
  const subscriptions = ARRIVING_TENANT_JOBS.map((subject) =>
    bus.connection.subscribe(subject, { queue: QUEUE, callback }),
  );
  await bus.connection.flush();
  return {
    async stop() {
      await Promise.all(subscriptions.map((subscription) => subscription.drain()));
      await Promise.allSettled(underWay);
    },
  };
}

function acknowledge(message: Msg, ack: Acknowledgement): void {
  const { reply = "" } = message;
  if (reply !== "" && verdictOf(reply) === "accepted") message.respond(JSON.stringify(ack));
}

async function takeIn(store: JobStore, storing: Map<string, number>, message: Msg): Promise<Acknowledgement> {
  const parts = mappedParts(message.subject);
  if (parts === undefined) return refused(400, "the subject names no tenant");
  const { identity } = parts;
  const command = commandSubject(parts.subject);
  const endpoint = COMMANDS.get(command);
  if (endpoint === undefined || !isJobCommand(command)) return refused(400, `unknown command ${command}`);
  const forbidden = forbiddenTo(identity, endpoint);
  if (forbidden !== undefined) return refused(403, `FORBIDDEN: ${forbidden.rejection.message}`);
  const headers = takenInHeaders(() => message.headers);
  const problem = jobIdProblem(headers.messageId);
  if (problem !== undefined) return refused(400, `the job ${problem}`);
  const id = tenantJobId(identity.name, headers.messageId as string);
  if (id.length > MAX_JOB_ID_LENGTH) return refused(400, "the job has a Nats-Msg-Id that is too long");
  const before = storing.get(identity.name) ?? 0;
  if (before >= MAX_STORING) return refused(429, `RATE_LIMITED: ${before} jobs are being stored: retry`);
  storing.set(identity.name, before + 1);
  try {
    const options = { headers: headers.stored(id), messageId: id };
    const ack = await store.publish(storedJobSubject(identity, command), message.data.slice(), options);
    return { stream: ack.stream, seq: ack.seq, duplicate: ack.duplicate };
  } catch (thrown) {
    return refused(thrown instanceof Fault && thrown.code === "TOO_LARGE" ? 400 : 503, messageOf(thrown));
  } finally {
    const left = (storing.get(identity.name) ?? 1) - 1;
    if (left === 0) storing.delete(identity.name);
    else storing.set(identity.name, left);
  }
}

function refused(code: number, description: string): Acknowledgement {
  return { error: { code, description } };
}
