/**
 * A process with a fake pool, for `reaper.int.test.ts`, which kills it. One of its two machines is paused. It tells the
 * process ids of the agents, and the folder of the fake.
 */
import { createFakeXapi, TEMPLATE_NAME } from "../src/index.ts";

/** A program that only waits. Its arguments are those of a guest agent. */
const AGENT: [string, string, string] = [process.execPath, "-e", "setInterval(() => undefined, 1000)"];

const fake = await createFakeXapi({ guestAgent: { command: AGENT } });
const [[template = ""] = []] = fake.pool.db.all("VM").filter(([, vm]) => vm["name_label"] === TEMPLATE_NAME);
const refs: string[] = [];
for (const name of ["running", "paused"]) {
  const ref = String(await fake.outside("VM.clone", template, name));
  await fake.outside("VM.provision", ref);
  await fake.outside("VM.start", ref, false, false);
  refs.push(ref);
}
await fake.outside("VM.pause", refs[1]);
const { agents } = fake;
process.send?.({ pids: [...(agents?.processes.values() ?? [])], folder: agents?.folder });
