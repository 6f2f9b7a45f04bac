/**
 * Backups between two real servers: sequences, gaps, headers and work queues survive, nothing is overwritten, and guest
 * states that are deleted meanwhile are either not needed or found.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BackupDirectory, createBackup, restoreBackup, verifyBackup } from "@bioxen/backup";
import { EVENT_STREAM, JOB_STREAM } from "@bioxen/contracts";
import type { StreamSource } from "@bioxen/kernel";
import {
  acceptLog,
  type Bus,
  connectBus,
  openEventLog,
  openStreamSource,
  openStreamTarget,
} from "@bioxen/nats";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import { afterEach, beforeEach, expect, it } from "vitest";
import { TestServer } from "../src/nats-server.ts";

let dir: string;
let servers: TestServer[];
let buses: Bus[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-backup-"));
  servers = [await TestServer.start(), await TestServer.start()];
  buses = await Promise.all(servers.map(({ url }) => connectBus({ servers: url, name: "test" })));
});
afterEach(async () => {
  for (const bus of buses) await bus.close();
  for (const server of servers) await server.stop();
  await rm(dir, { recursive: true, force: true });
});

const [FROM, TO] = [0, 1];
const bus = (which: number): Bus => buses[which] as Bus;

async function backUp(source: StreamSource, generation = 1) {
  const directory = await BackupDirectory.forWriting(dir);
  const previous = generation === 1 ? undefined : await directory.manifest();
  const options = { source, directory, previous, generation, version: "0.0.0", nowMs: () => 1 };
  const manifest = await createBackup(options);
  await directory.publish(manifest);
  expect(await verifyBackup(dir)).toMatchObject({ state: "valid", leftovers: [] });
  return { directory, manifest };
}

async function messagesOf(source: Pick<StreamSource, "read" | "lastSeq">, stream: string) {
  const found: unknown[] = [];
  for await (const { seq, subject, headers: h, data } of source.read(
    stream,
    1,
    (await source.lastSeq(stream)) ?? 0,
  )) {
    // A restored message has no condition of its first append.
    const others = h.filter(([name]) => !name.startsWith("Nats-Expected-"));
    found.push([seq, subject, others, Buffer.from(data).toString("utf8")]);
  }
  return found;
}

it("keeps sequences, gaps and headers of the log, and the jobs that wait", async () => {
  await openEventLog(bus(FROM));
  const js = jetstream(bus(FROM).connection);
  const jsm = await jetstreamManager(bus(FROM).connection);
  const { config } = await jsm.streams.info(EVENT_STREAM);
  await jsm.streams.delete(EVENT_STREAM);
  await jsm.streams.add({ ...config, deny_delete: false });
  for (let i = 1; i <= 12; i += 1) {
    const h = headers();
    h.append("Nats-Msg-Id", `id-${i}`);
    h.append("X-Twice", "a");
    h.append("X-Twice", "b");
    const expect = { lastSubjectSequence: i > 2 ? i - 2 : 0 };
    await js.publish(`bioxen.evt.vm.cell-${i % 2}`, `{"event":${i}}`, { headers: h, expect });
  }
  for (const seq of [1, 5, 6]) await jsm.streams.deleteMessage(EVENT_STREAM, seq, false);
  await acceptLog({ bus: bus(FROM) });
  await js.publish("bioxen.job.vm.start", '{"vmId":"cell-1"}', { msgID: "job-1" });

  const source = await openStreamSource(bus(FROM));
  const { directory, manifest } = await backUp(source);
  const target = await openStreamTarget({ bus: bus(TO) });
  const restored = await restoreBackup({ directory, manifest, target, sameCluster: false });
  expect(restored).toMatchObject({ seq: 12, messages: { [EVENT_STREAM]: 9, [JOB_STREAM]: 1 } });
  expect(restored.clusterId).not.toBe(manifest.log.clusterId);
  expect(await messagesOf(target.source, EVENT_STREAM)).toEqual(await messagesOf(source, EVENT_STREAM));
  expect(await messagesOf(target.source, JOB_STREAM)).toEqual(await messagesOf(source, JOB_STREAM));
  const there = (await (await jetstreamManager(bus(TO).connection)).streams.info(EVENT_STREAM)).config;
  expect(there).toMatchObject({
    deny_delete: true,
    deny_purge: true,
    duplicate_window: config.duplicate_window,
  });

  // An append that expects the last sequence of its subject succeeds as on the original.
  const next = { expect: { lastSubjectSequence: 12 } };
  expect(await jetstream(bus(TO).connection).publish("bioxen.evt.vm.cell-0", "{}", next)).toMatchObject({
    seq: 13,
  });
  await expect(restoreBackup({ directory, manifest, target, sameCluster: false })).rejects.toThrow(
    "not empty",
  );
});

it("keeps the id of the cluster when it is asked to", async () => {
  await openEventLog(bus(FROM));
  const { directory, manifest } = await backUp(await openStreamSource(bus(FROM)));
  const target = await openStreamTarget({ bus: bus(TO) });
  const restored = await restoreBackup({ directory, manifest, target, sameCluster: true });
  expect(restored.clusterId).toBe(manifest.log.clusterId);
});

it("leaves out deleted objects, and has those that are stored while it reads", async () => {
  await openEventLog(bus(FROM));
  const js = jetstream(bus(FROM).connection);
  const jsm = await jetstreamManager(bus(FROM).connection);
  const put = (name: string) => js.publish(`bioxen.blob.cell.local.${name}`, name);
  const remove = (name: string) =>
    jsm.streams.purge("BIOXEN_GUEST_STATE", { filter: `bioxen.blob.cell.local.${name}` });
  for (const name of ["first", "second"]) await put(name);
  const source = await openStreamSource(bus(FROM));
  const busy: StreamSource = {
    lastSeq: (stream) => source.lastSeq(stream),
    read: (stream, from, to) => source.read(stream, from, to),
    subjects: async (stream) => {
      const subjects = await source.subjects(stream);
      // A state is stored and another one deleted after the list was made.
      await put("third");
      await remove("first");
      return subjects;
    },
    log: () => source.log(),
  };
  await remove("second");
  await backUp(busy);
  await put("fourth");
  await remove("third");
  const { directory, manifest } = await backUp(source, 2);
  const target = await openStreamTarget({ bus: bus(TO) });
  await restoreBackup({ directory, manifest, target, sameCluster: false });
  const names = (await messagesOf(target.source, "BIOXEN_GUEST_STATE")) as string[][];
  expect(names.map(([, , , text]) => text).sort()).toEqual(["fourth"]);
});

it("refuses a log with a lost event, and leaves the previous backup as it was", async () => {
  await openEventLog(bus(FROM));
  const js = jetstream(bus(FROM).connection);
  for (let i = 1; i <= 3; i += 1) await js.publish("bioxen.evt.vm.cell", `{"event":${i}}`);
  const source = await openStreamSource(bus(FROM));
  await backUp(source);
  await js.publish("bioxen.evt.vm.cell", "{}");
  await js.publish("bioxen.evt.vm.cell", "{}");
  // The server leaves event 4 out, and does not know of it.
  const damaged: StreamSource = {
    lastSeq: (stream) => source.lastSeq(stream),
    subjects: (stream) => source.subjects(stream),
    log: () => source.log(),
    async *read(stream, from, to) {
      for await (const message of source.read(stream, from, to)) {
        if (stream !== EVENT_STREAM || message.seq !== 4) yield message;
      }
    },
  };
  await expect(backUp(damaged, 2)).rejects.toThrow("event 4 is missing");
  expect(await verifyBackup(dir)).toMatchObject({ state: "valid", manifest: { generation: 1 } });
});
