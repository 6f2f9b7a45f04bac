/**
 * A fake, and clients of it, for tests.
 */
import { createFakeXapi, type FakeOptions, type FakeXapi } from "@bioxen/fake-xapi";
import { XapiClient, type XapiClientOptions } from "../src/xapi/client.ts";
import { parsePins } from "../src/xapi/trust.ts";

const OWN_TEST_ORIGINATOR = "bioxen/test";

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

/** Runs `body` with a fake and a client, and ends both. */
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

/** What `call` rejects with; fails when it does not. */
export async function thrownBy(call: Promise<unknown>): Promise<Error & { code?: string; kind?: string }> {
  return call.then(
    (value) => {
      throw new Error(`it succeeded: ${JSON.stringify(value)}`);
    },
    (error: Error) => error,
  );
}
