/**
 * The cluster run, for a few seconds: the server that leads the log is killed and every service is restarted, under load.
 */
import { expect, it } from "vitest";
import { runCluster } from "./cluster.ts";

it("nothing is lost with the server that leads, and no command fails when the services are restarted in order", async () => {
  const lines: string[] = [];
  const result = await runCluster({
    seed: 1,
    instances: 2,
    clients: 2,
    rate: 50,
    serverKills: 1,
    isWhole: false,
    downMs: 0,
    say: (line) => lines.push(line),
  });
  console.log(lines.join("\n"));
  expect(result.problems).toEqual([]);
  expect(result.kills).toBe(1);
  expect(result.commands).toBeGreaterThan(200);
});
