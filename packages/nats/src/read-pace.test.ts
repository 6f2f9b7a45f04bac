import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { BATCH_MESSAGES, ReadPace } from "./read-pace.ts";

class FakeSocket {
  writableLength = 0;
  isPaused = false;
  pauses = 0;
  pause(): void {
    this.isPaused = true;
    this.pauses += 1;
  }
  resume(): void {
    this.isPaused = false;
  }
}

it("pauses after a batch, and goes on after a turn of the event loop", async () => {
  const socket = new FakeSocket();
  const pace = new ReadPace(() => socket);
  for (let i = 0; i < BATCH_MESSAGES - 1; i += 1) pace.received();
  expect(socket.isPaused).toBe(false);
  // What was read with the batch still arrives, and causes no second pause.
  for (let i = 0; i < 500; i += 1) pace.received();
  expect(socket).toMatchObject({ isPaused: true, pauses: 1 });
  await turn();
  expect(socket.isPaused).toBe(false);
});

it("stays paused while answers are not taken", async () => {
  const socket = new FakeSocket();
  const pace = new ReadPace(() => socket);
  socket.writableLength = 5_000_000;
  for (let i = 0; i < BATCH_MESSAGES; i += 1) pace.received();
  await turn();
  await turn();
  expect(socket.isPaused).toBe(true);
  socket.writableLength = 1_000;
  await expect.poll(() => socket.isPaused, { interval: 2 }).toBe(false);
});

it("paces the next socket after a reconnect, and does without a socket", async () => {
  const first = new FakeSocket();
  let socket: FakeSocket | undefined = first;
  const pace = new ReadPace(() => socket);
  first.writableLength = 5_000_000;
  for (let i = 0; i < BATCH_MESSAGES; i += 1) pace.received();
  socket = undefined;
  await turn();
  for (let i = 0; i < 2 * BATCH_MESSAGES; i += 1) pace.received();
  const second = new FakeSocket();
  socket = second;
  pace.received();
  expect(second.pauses).toBe(1);
  await turn();
  expect(second.isPaused).toBe(false);
});
