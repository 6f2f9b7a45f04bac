/**
 * The transport of the NATS client over TCP and TLS, with two differences: it joins the decrypted chunks of one turn
 * (joined-reads.ts), and it sends in one write what the process has to send after one read. The client's own transport
 * makes a system call, and with TLS a record, for each step of each promise that publishes. Everything else is that
 * transport.
 */
import {
  type ConnectionOptions,
  type NatsConnection,
  NatsConnectionImpl,
  setTransportFactory,
} from "@nats-io/transport-node";
import { NodeTransport, nodeResolveHost } from "@nats-io/transport-node/lib/node_transport.js";
import { joinedReads } from "./joined-reads.ts";

class JoiningTransport extends NodeTransport {
  override send(frame: Uint8Array): void {
    const { socket } = this;
    if (socket !== undefined && socket.writableCorked === 0) {
      socket.cork();
      // Runs after all promises that are settled now, and before the next event of the loop.
      process.nextTick(() => socket.uncork());
    }
    super.send(frame);
  }

  override [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    const chunks = this.iterate();
    return this.isEncrypted() ? joinedReads(chunks) : chunks;
  }
}

/** Connects to a server of the options, as `connect` of the NATS client does. */
export function connectByTcp(options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new JoiningTransport(), dnsResolveFn: nodeResolveHost });
  return NatsConnectionImpl.connect(options);
}
