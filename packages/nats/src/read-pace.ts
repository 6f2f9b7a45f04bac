/**
 * Limits how fast a connection is read, so that a flood of messages delays other work of the process by one batch only.
 *
 * The client library reads its socket as long as there is data, up to 2 MB at a time, and parses everything at once.
 * For that time no timer fires, no lease is renewed and no other connection is read. A paced connection stops reading
 * after a batch and goes on after one turn of the event loop. It also stops while the server does not accept its
 * answers, because the process would buffer them without limit. The server keeps unread messages, up to its limit
 * (`max_pending`) of 64 MB.
 */
import type { NatsConnection } from "@nats-io/nats-core";

/**
 * Number of messages after which the connection yields. A batch of refusals takes about 16 ms. With smaller batches, a
 * busy process reads a flood more slowly than it arrives. Requests of other callers then wait in the server behind the
 * flood.
 */
export const BATCH_MESSAGES = 2_048;
/** Size of unsent answers above which no further requests are read, bytes. */
const MAX_UNSENT_BYTES = 4_194_304;
/** Interval between two checks of a connection with too many unsent answers, ms. */
const UNSENT_LOOK_MS = 5;

/** The part of a socket that pacing needs. */
interface PacedSocket {
  readonly writableLength: number;
  pause(): unknown;
  resume(): unknown;
}

/** The fields in which the client library keeps the socket of a connection. Each reconnect makes a new socket. */
interface WithSocket {
  readonly protocol?: { readonly transport?: { readonly socket?: Partial<PacedSocket> } };
}

/** Returns the socket of a connection; undefined while it is not connected, or when the library does not show it. */
export function socketOf(connection: NatsConnection): PacedSocket | undefined {
  const socket = (connection as WithSocket).protocol?.transport?.socket;
  const canPause = typeof socket?.pause === "function" && typeof socket.resume === "function";
  return canPause && typeof socket.writableLength === "number" ? (socket as PacedSocket) : undefined;
}

export class ReadPace {
  readonly #socket: () => PacedSocket | undefined;
  #messages = 0;
  #isPaused = false;

  constructor(socket: () => PacedSocket | undefined) {
    this.#socket = socket;
  }

  /** Counts one received message, and pauses the connection after a batch. */
  received(): void {
    this.#messages += 1;
    if (this.#isPaused || this.#messages < BATCH_MESSAGES) return;
    const socket = this.#socket();
    if (socket === undefined) return;
    this.#isPaused = true;
    socket.pause();
    setImmediate(() => this.#goOn(socket));
  }

  #goOn(socket: PacedSocket): void {
    if (this.#socket() === socket && socket.writableLength > MAX_UNSENT_BYTES) {
      setTimeout(() => this.#goOn(socket), UNSENT_LOOK_MS).unref();
      return;
    }
    this.#messages = 0;
    this.#isPaused = false;
    socket.resume();
  }
}
