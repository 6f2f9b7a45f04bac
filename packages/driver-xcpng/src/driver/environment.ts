/** The environment variables of a process, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Runs `body` and returns its result. When `body` throws, records the error under the name of the environment variable
 * and returns undefined.
 */
export type Attempt = <T>(variable: string, body: () => T) => T | undefined;
