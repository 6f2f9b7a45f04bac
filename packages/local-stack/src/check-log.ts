/**
 * Compares the event log with the records of its earlier state, before the services of a stack start. Each service
 * would refuse a damaged log by itself; this check reports the reason once, before any service runs.
 */
import { join } from "node:path";
import {
  acceptLog,
  type ConnectionSettings,
  connectBus,
  LOG_RECORD_FILE,
  refuseDamagedLog,
} from "@bioxen/nats";

/**
 * Throws `Fault` CONFLICT when the log is damaged; the message describes the damage. If `accepts` is true, the function
 * instead records the present log as the valid log, and reports the accepted damage to `progress`.
 */
export async function checkLog(
  connection: ConnectionSettings,
  dataDir: string,
  accepts: boolean,
  progress: (line: string) => void,
): Promise<void> {
  const bus = await connectBus({ ...connection, name: "bioxen-local-stack" });
  const place = { bus, file: join(dataDir, LOG_RECORD_FILE) };
  try {
    if (!accepts) return await refuseDamagedLog(place);
    const damage = await acceptLog(place);
    progress(damage === undefined ? "the event log is as it was known" : `accepted: ${damage.problem}`);
  } finally {
    await bus.close();
  }
}
