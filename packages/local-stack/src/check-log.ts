/**
 * Compares the event log with what is known of it, before the services of a stack start. They would refuse a damaged log
 * one by one; here the reason is known at once.
 */
import { join } from "node:path";
import { acceptLog, connectBus, LOG_RECORD_FILE, refuseDamagedLog } from "@bioxen/nats";

/**
 * Throws `Fault` CONFLICT with the sentence about the damage. With `accepts`, makes the present log the known one instead,
 * and says what is given up.
 */
export async function checkLog(
  url: string,
  dataDir: string,
  accepts: boolean,
  progress: (line: string) => void,
): Promise<void> {
  const bus = await connectBus({ servers: url, name: "bioxen-local-stack" });
  const place = { bus, file: join(dataDir, LOG_RECORD_FILE) };
  try {
    if (!accepts) return await refuseDamagedLog(place);
    const damage = await acceptLog(place);
    progress(damage === undefined ? "the event log is as it was known" : `accepted: ${damage.problem}`);
  } finally {
    await bus.close();
  }
}
