/**
 * `bioxen doctor`: checks whether a BioXen is healthy, and shows a remedy for each check that fails.
 */

import { Fault, messageOf } from "@bioxen/kernel";
import { findServerBinary } from "@bioxen/local-stack";
import { ConnectionRefused, leaseSilence, serviceLoads } from "@bioxen/nats";
import type { Command } from "commander";
import { EXIT_REFUSED, endOf } from "../outcome.ts";
import { globalsOf, say, sayJson } from "../run.ts";
import { connectionOf, type GlobalOptions, Session } from "../session.ts";
import { paint } from "../terminal.ts";
import { agentFindings, twinFindings } from "./agents.ts";
import { certificateFindings } from "./doctor-certs.ts";
import { damageFindings } from "./doctor-damage.ts";
import { loadFindings } from "./doctor-load.ts";
import { logFindings } from "./doctor-log.ts";
import { accessFinding, payloadFinding, serverFinding } from "./doctor-server.ts";
import { storeFindings, writeFindings } from "./doctor-store.ts";
import type { Finding } from "./finding.ts";
import { orphanFindings } from "./pool.ts";
import { statusOf } from "./stack.ts";
import { standByFindings } from "./stand-bys.ts";
import { versionFindings } from "./versions.ts";

const OLDEST_NODE = 22;
/** Time for which the load of all instances is collected, ms. */
const LOAD_WAIT_MS = 300;

export function addDoctorCommand(program: Command): void {
  program
    .command("doctor")
    .description("check this machine, the server, services and chassis; print a remedy for each problem")
    .action(async (_options, command: Command) => {
      const options = globalsOf(command);
      const findings = await allFindings(options);
      const failed = findings.some((finding) => finding.verdict === "fail");
      if (options.json === true) sayJson({ ok: !failed, findings });
      else for (const finding of findings) say(words(finding));
      if (failed) process.exitCode = EXIT_REFUSED;
    });
}

/** Returns what `bioxen doctor` reports. */
export async function allFindings(options: GlobalOptions): Promise<Finding[]> {
  return [
    ...(await machineFindings()),
    ...(await certificateFindings((await connectionOf(options))?.tls)),
    ...(await clusterFindings(options)),
  ];
}

function words({ check, verdict, found, remedy }: Finding): string {
  const colour = { ok: "green", warn: "yellow", fail: "red" } as const;
  const line = `${paint(colour[verdict], verdict.padEnd(4))} ${check}: ${found}`;
  return remedy === undefined ? line : `${line}\n     → ${remedy}`;
}

async function machineFindings(): Promise<Finding[]> {
  const major = Number(process.versions.node.split(".")[0]);
  const node: Finding = {
    check: "Node.js",
    verdict: major >= OLDEST_NODE ? "ok" : "fail",
    found: process.versions.node,
    ...(major >= OLDEST_NODE ? {} : { remedy: "run bioxen through pnpm, which brings its own Node" }),
  };
  try {
    const { version, from } = await findServerBinary();
    return [node, { check: "nats-server to run", verdict: "ok", found: `${version} from ${from}` }];
  } catch (thrown) {
    const found = messageOf(thrown);
    return [
      node,
      { check: "nats-server to run", verdict: "warn", found, remedy: "only `bioxen up` needs it" },
    ];
  }
}

async function clusterFindings(options: GlobalOptions): Promise<Finding[]> {
  let session: Session;
  try {
    session = await Session.open(options, { repeat: false });
  } catch (thrown) {
    // The message of a refused connection, and of an error that is not a `Fault`, already names the remedy.
    const isRefused = thrown instanceof ConnectionRefused || !(thrown instanceof Fault);
    const { message } = endOf(thrown);
    return [
      { check: "server", verdict: "fail", found: message, ...(isRefused ? {} : { remedy: "bioxen up" }) },
    ];
  }
  try {
    return [
      serverFinding(session.server, session.bus.serverVersion),
      accessFinding(session.server, session.bus.demandsLogin),
      payloadFinding(session.bus.maxPayloadBytes),
      ...(await storeFindings(session.bus)),
      ...(await damageFindings(session)),
      ...(await logFindings(session)),
      ...(await serviceFindings(session)),
      ...loadFindings(await serviceLoads(session.bus, LOAD_WAIT_MS)),
      ...(await chassisFindings(session)),
      ...(await agentFindings(session)),
      ...(await orphanFindings(session)),
      ...(await ledgerFindings(session)),
    ];
  } finally {
    await session.close();
  }
}

async function serviceFindings(session: Session): Promise<Finding[]> {
  const status = await statusOf(session);
  const durability: Finding = {
    check: "durability",
    verdict: status.durability === "always" ? "ok" : "warn",
    found:
      status.durability === "always"
        ? "always: an acknowledged command is on disk; a power cut loses none"
        : status.durability === "relaxed"
          ? "relaxed: a killed process loses nothing; a power cut loses up to 2 minutes of acknowledged commands, and a younger log entirely"
          : "unknown: this server is not part of a local stack of this machine",
  };
  const services = status.services.map(({ name, instances, ready }): Finding => {
    const finding = { check: name, verdict: ready ? "ok" : "fail", found: `${instances} running` } as const;
    return ready ? finding : { ...finding, remedy: "start it, or see its log in the data directory" };
  });
  const holdsLease = status.services.some(({ name, ready }) => ready && name !== "monitor");
  // A failed read is ignored: other checks report a login without access to the leases, or a server without JetStream.
  const silenceMs = holdsLease ? await leaseSilence(session.bus).catch(() => undefined) : undefined;
  return [
    ...writeFindings(silenceMs),
    durability,
    ...services,
    ...versionFindings(status.services),
    ...twinFindings(status.agents),
    ...standByFindings(status.standBys),
  ];
}

async function chassisFindings(session: Session): Promise<Finding[]> {
  const reply = await session.call("chassisList", {}).catch((thrown: unknown) => endOf(thrown));
  if (!("ok" in reply) || !reply.ok)
    return [
      {
        check: "chassis",
        verdict: "fail",
        found: "cannot be listed: the chassis-scheduler does not reply",
        remedy: "start the chassis-scheduler",
      },
    ];
  const all = reply.chassis;
  if (all.length === 0) {
    return [
      {
        check: "chassis",
        verdict: "warn",
        found: "none is registered",
        remedy: "start an agent, which registers its chassis",
      },
    ];
  }
  return all.map(({ chassisId, state, heartbeatAgeMs }): Finding => {
    const found = heartbeatAgeMs === null ? state : `${state}, last heartbeat ${heartbeatAgeMs} ms ago`;
    const finding = {
      check: `chassis ${chassisId}`,
      verdict: state === "ready" ? "ok" : "warn",
      found,
    } as const;
    return state === "ready" ? finding : { ...finding, remedy: "start the agent that runs it" };
  });
}

/** Returns a warning for each ledger that has recorded a forged lease token. Unreadable ledgers get no warning. */
async function ledgerFindings(session: Session): Promise<Finding[]> {
  const reply = await session.call("ledgerList", {}).catch((thrown: unknown) => endOf(thrown));
  if (!("ok" in reply) || !reply.ok) return [];
  return reply.ledgers.flatMap(({ chassisId, ignoredToken }): Finding[] => {
    if (ignoredToken === undefined) return [];
    const { seq, token } = ignoredToken;
    const found = `event ${seq} has the lease token ${token}, which was never issued: it was forged, and is ignored`;
    const remedy = `bioxen events show ${seq}, and limit the clients that may publish to the server (SECURITY.md)`;
    return [{ check: `ledger ${chassisId}`, verdict: "warn", found, remedy }];
  });
}
