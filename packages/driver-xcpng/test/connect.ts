/**
 * Fake pools and clients for tests.
 */
import { createFakeXapi, type FakeOptions, type FakeXapi } from "@bioxen/fake-xapi";
import { XapiClient, type XapiClientOptions } from "../src/xapi/client.ts";
import { parsePins } from "../src/xapi/trust.ts";

const OWN_TEST_ORIGINATOR = "bioxen/test";

/** A client that trusts the fake and knows its password. */
export function clientOf(fake: FakeXapi, options: Partial<XapiClientOptions> = {}): XapiClient {
  const { url, fingerprint, username, password } = fake;
  return new XapiClient({
    url,
    credentials: async () => ({ username, password }),
    trust: { kind: "pins", pins: parsePins(fingerprint) },
    originator: OWN_TEST_ORIGINATOR,
    ...options,
  });
}

/** Runs `body` with a new fake and a client of it, then closes both. */
export async function withPool(
  body: (fake: FakeXapi, client: XapiClient) => Promise<void>,
  options: FakeOptions = {},
): Promise<void> {
  const fake = await createFakeXapi(options);
  const client = clientOf(fake);
  try {
    await body(fake, client);
  } finally {
    await client.close();
    await fake.close();
  }
}

/** The error that `call` rejects with. Throws when `call` resolves. */
export async function thrownBy(call: Promise<unknown>): Promise<Error & { code?: string; kind?: string }> {
  return call.then(
    (value) => {
      throw new Error(`the call resolved with ${JSON.stringify(value)}`);
    },
    (error: Error) => error,
  );
}
