/**
 * A cluster run of some seconds under load: the server that leads the log is killed, and the services of the commands
 * are restarted.
 */
import { expect, it } from "vitest";
import { runCluster } from "./cluster.ts";

it("the kill of the leading server loses nothing, and a restart of the services in order fails no command", async () => {
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
