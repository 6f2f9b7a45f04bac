/**
 * Answers an `exec` that lifecycle forwarded, in the contract's words.
 */
import { type AgentExecRequest, type ErrorCode, type Handled, refuse } from "@bioxen/contracts";
import { DriverError, type DriverErrorCode, type ExecOutcome, type VmDriver } from "@bioxen/vm-driver";

/** A guest that is not (yet, any more) what the log said a moment ago: asking again can help. */
const PASSING: readonly DriverErrorCode[] = [
  "STALE_FENCE",
  "GUEST_NOT_FOUND",
  "INVALID_STATE",
  "UNAVAILABLE",
];

export async function execInGuest(
  driver: VmDriver | undefined,
  request: AgentExecRequest,
): Promise<Handled<ExecOutcome>> {
  const { vmId, fence, source, timeoutMs } = request;
  if (driver?.capabilities.exec !== true) return refuse("UNSUPPORTED", `guests of ${vmId}'s type run no Lua`);
  try {
    return { ok: true, result: await driver.exec(vmId, fence, source, { timeoutMs }) };
  } catch (thrown) {
    return refusalOf(thrown);
  }
}

/** What a driver's refusal is in the contract's words; throws anything else again. */
export function refusalOf(thrown: unknown): ReturnType<typeof refuse> {
  if (!(thrown instanceof DriverError)) throw thrown;
  const { code, message, details } = thrown;
  if (PASSING.includes(code)) return refuse("UNAVAILABLE", message, { retryable: true, details });
  return refuse(code as ErrorCode, message, { retryable: thrown.retryable, details });
}
