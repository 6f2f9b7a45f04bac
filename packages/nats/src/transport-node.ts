/**
 * The transport of the NATS client over TCP and TLS, with one difference: it joins the decrypted chunks of one turn
 * (joined-reads.ts). Everything else is the client's own transport.
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
