/** The state of the agent as text for people. */
import type { CellReply } from "./protocol.ts";

/** Returns one line per fact, each with its name in front. */
export function statusText({
  agent,
  identity,
  simMinutes,
  paused,
  settings,
  damaged,
}: CellReply<"status">): string {
  const { reason } = agent;
  const state = paused === true ? `${agent.state}, paused` : agent.state;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["state", reason === undefined ? state : `${state}: ${reason}`],
    ["cell", identity && `${identity.vmId}, incarnation ${identity.incarnation}, fence ${identity.fence}`],
    ["lived", simMinutes === undefined ? undefined : `${simMinutes} min (simulated)`],
    ["time scale", settings.timeScale === undefined ? undefined : `${settings.timeScale} min/s`],
    ["agent", `${agent.version}, protocol ${agent.protocol}, model ${agent.model}`],
    ["xenstore", settings.xenstore ? `read every ${settings.pollMs} ms` : "no xenstore tools"],
    ["stored in", settings.stateDir],
    ["damaged", damaged.length === 0 ? undefined : damaged.join(", ")],
  ];
  const lines = facts.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(11)}${value}`]));
  return `${lines.join("\n")}\n`;
}
