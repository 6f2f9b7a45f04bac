/**
 * A service without endpoints, as a process of its own: it boots as every service does. It prints a line when its work
 * begins.
 */
import { runService } from "../src/index.ts";

await runService({
  name: "lifecycle",
  description: "boots, and does nothing",
  writesSnapshots: true,
  create: () => ({
    sinks: [],
    endpoints: [],
    begin: () => console.log("began"),
    end: () => console.log("ended"),
  }),
});
