/** The environment variables of a process, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Runs `body`; when it throws, records the problem under the variable's name and returns undefined. */
export type Attempt = <T>(variable: string, body: () => T) => T | undefined;
