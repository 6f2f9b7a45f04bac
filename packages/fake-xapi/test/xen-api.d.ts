/** The part of `xen-api` that the test uses; the package has no types. */
declare module "xen-api" {
  interface Xapi {
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    readonly objectsFetched: Promise<void>;
    call(method: string, ...args: unknown[]): Promise<unknown>;
    callAsync(method: string, ...args: unknown[]): Promise<unknown>;
    barrier(ref: string): Promise<Readonly<Record<string, unknown>>>;
  }
  export function createClient(options: Readonly<Record<string, unknown>>): Xapi;
}
