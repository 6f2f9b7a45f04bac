/**
 * Compares a server's certificate with the address of the server.
 *
 * For a server that the URL names by its IP address, the client of NATS passes no name to Node's TLS. Node then expects
 * a certificate for "localhost". The certificate must name the address instead.
 */
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";

/** The name that Node compares with the certificate when the client passes none. */
const NO_NAME = "localhost";

/**
 * Returns the function that Node calls with the name of the server and its certificate. `dialled` returns the host part
 * of the address that the client connects to now. A server that the cluster has announced by its address can also have
 * the name of the server that announced it.
 */
export function identityCheck(
  dialled: () => string | undefined,
): (name: string, certificate: PeerCertificate) => Error | undefined {
  return (name, certificate) => {
    const host = dialled();
    const problem = checkServerIdentity(name, certificate);
    if (host === undefined || isIP(host) === 0) return problem;
    // On this machine, "localhost" is another name of the address.
    if (problem === undefined && (name !== NO_NAME || isLoopback(host))) return undefined;
    return checkServerIdentity(host, certificate);
  };
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}
