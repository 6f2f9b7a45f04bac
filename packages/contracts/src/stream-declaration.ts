/**
 * The form of a stream's declaration.
 */

/**
 * The required configuration of a stream. If a stream differs at boot, the service repairs it where the server allows
 * that; otherwise the service does not start.
 */
export interface StreamDeclaration {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly [setting: string]: unknown;
}

/**
 * Returns the declaration of a stream of objects: one message for each name, and its content never changes. Unneeded
 * objects are purged explicitly, so the stream has no limit of age and no delete markers.
 */
export function streamOfObjects<const Name extends string>(declared: {
  readonly name: Name;
  readonly subjects: readonly string[];
  readonly description: string;
}) {
  return {
    ...declared,
    retention: "limits",
    storage: "file",
    discard: "new",
    max_age: 0,
    max_msgs: -1,
    max_bytes: -1,
    max_msgs_per_subject: 1,
    compression: "s2",
    allow_direct: true,
  } as const satisfies StreamDeclaration;
}
