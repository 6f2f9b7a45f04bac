/** Carries out the requests that arrive over the socket. */
import { messageOf } from "@bioxen/kernel";
import { DriverError } from "@bioxen/vm-driver";
import type { CellKeeper } from "./cell-keeper.ts";
import type { Applied } from "./held-cell.ts";
import {
  type AgentReport,
  type CellFailure,
  type CellOperation,
  type CellReply,
  type CellRequest,
  failureOf,
  parseRequest,
} from "./protocol.ts";

/** The agent, as far as a request needs it. */
export interface AgentView {
  readonly keeper: CellKeeper;
  status(): Promise<CellReply<"status">>;
  /** The report of the agent, as xenstore has it. */
  report(): AgentReport;
  /** Simulated minutes per second of a boot that does not name its time scale. */
  defaultTimeScale(): number;
  /** The texts in xenstore that a cell which boots now has taken over. */
  seen(): Applied;
  /** Rejects a spec that contradicts the identity in xenstore. */
  requireIdentity(vmId: string, incarnation: number): void;
}

type Reply = CellFailure | CellReply<CellOperation>;

/** Carries out the request in `line`. Returns the reply as one line of JSON without its end. */
export async function replyTo(line: string, agent: AgentView): Promise<string> {
  return JSON.stringify(await carriedOut(line, agent));
}

async function carriedOut(line: string, agent: AgentView): Promise<Reply> {
  try {
    return await handle(parseRequest(line), agent);
  } catch (error) {
    if (error instanceof DriverError) return failureOf(error);
    // Any other exception is a fault of the agent. The request may have had an effect, so it is not retryable.
    const fault = new DriverError("UNAVAILABLE", `the agent failed: ${messageOf(error)}`, {
      retryable: false,
    });
    return failureOf(fault);
  }
}

async function handle(request: CellRequest, agent: AgentView): Promise<Reply> {
  const { keeper } = agent;
  switch (request.op) {
    case "status":
      return agent.status();
    case "boot":
      agent.requireIdentity(request.spec.vmId, request.spec.incarnation);
      await keeper.boot({
        spec: request.spec,
        timeScale: request.timeScale ?? agent.defaultTimeScale(),
        checkpoint: bytesOf(request.checkpointBase64),
        applied: agent.seen(),
      });
      return { ok: true };
    case "restart":
      await keeper.restart(request.spec, bytesOf(request.checkpointBase64));
      return { ok: true };
    case "exec": {
      const { source, timeoutMs, fence } = request;
      return { ok: true, ...(await keeper.require(fence).exec(source, timeoutMs)) };
    }
    case "resize":
      await keeper.alter((cell) => cell.resize(request.allocation), request.fence);
      return { ok: true };
    case "pause":
      await keeper.alter((cell) => cell.pause(), request.fence);
      return { ok: true };
    case "resume":
      await keeper.alter((cell) => cell.resume(), request.fence);
      return { ok: true };
    case "sample":
      return sampled(keeper);
    case "checkpoint": {
      const { bytes, simMinutes } = await keeper.checkpoint(request.fence);
      return { ok: true, simMinutes, bytesBase64: Buffer.from(bytes).toString("base64") };
    }
    case "logs":
      return {
        ok: true,
        ...keeper.lines.after(request.after),
        agent: agent.report(),
        sample: keeper.cell?.sample(),
      };
  }
}

function sampled(keeper: CellKeeper): Reply {
  const sample = keeper.require().sample();
  if (sample === undefined) throw new DriverError("UNAVAILABLE", "the cell was not measured yet");
  return { ok: true, sample };
}

function bytesOf(base64: string | undefined): Uint8Array | undefined {
  return base64 === undefined ? undefined : Buffer.from(base64, "base64");
}
