/**
 * The order of a channel's events, as lib/client.js of ssh2 1.17 emits them: the callback of `exec` runs when
 * SSH_MSG_CHANNEL_SUCCESS is parsed, and all messages of the same packet of the network are parsed in the same turn.
 */
import { PassThrough } from "node:stream";
import type { Client, ClientChannel } from "ssh2";
import { expect, it } from "vitest";
import { callOn, type ProgramConnection } from "../src/ssh/run.ts";
import { thrownBy } from "./connect.ts";

type Accept = (error: Error | undefined, channel: ClientChannel) => void;

const CONNECTION: ProgramConnection = {
  machine: { vmId: "m1", address: "10.0.0.7", port: 22 },
  ended: undefined,
  onEnd: () => () => undefined,
};
const CALL = { command: "bioxen-cell", input: "{}" };
const LIMITS = { beginWithinMs: 50, answerWithinMs: 5_000 };

class Channel extends PassThrough {
  readonly stderr = new PassThrough();
  closings = 0;
  close(): void {
    this.closings += 1;
  }
}

/** A client that gives the callback of its one `exec` to `answer`. */
const clientOf = (answer: (accept: Accept, channel: Channel) => void, channel = new Channel()): Client =>
  ({
    exec: (_command: string, accept: Accept) => answer(accept, channel),
  }) as unknown as Client;

it("keeps the exit status of a program whose acceptance, exit and end arrive together", async () => {
  const client = clientOf((accept, channel) => {
    accept(undefined, channel as unknown as ClientChannel);
    channel.stderr.write("bash: line 1: bioxen-cell: command not found\n");
    channel.emit("exit", 127);
    channel.emit("close");
  });
  expect(await callOn(client, CONNECTION, CALL, LIMITS)).toMatchObject({ exitCode: 127 });
});

it("closes a channel that opens after its time, and runs nothing in it", async () => {
  const channel = new Channel();
  let late: Accept = () => undefined;
  const client = clientOf((accept) => {
    late = accept;
  }, channel);
  const refused = await thrownBy(callOn(client, CONNECTION, CALL, LIMITS));
  expect(refused).toMatchObject({ code: "UNAVAILABLE", details: { ran: "no" } });
  late(undefined, channel as unknown as ClientChannel);
  expect([channel.closings, channel.writableEnded]).toEqual([1, false]);
});
