/**
 * Hands the lines of the service's log to OpenTelemetry, once telemetry.ts has set an exporter.
 *
 * The module has no dependency, so that a service without telemetry loads none for its log.
 */
export type LineExporter = (level: number, fields: object, message: string) => void;

let exporter: LineExporter | undefined;

/** Sets the function that gets every further line; undefined ends the export. */
export function exportLinesTo(next: LineExporter | undefined): void {
  exporter = next;
}

/** Marks a log line about telemetry itself. Such a line is not exported: its export could fail for the same reason. */
export const ABOUT_TELEMETRY = { telemetry: true } as const;

/** Exports one line of pino: its arguments are the fields and the message. */
export function exportLine(level: number, [fields, message]: readonly unknown[]): void {
  if (exporter === undefined || typeof fields !== "object" || fields === null) return;
  if (!("telemetry" in fields)) exporter(level, fields, String(message ?? ""));
}
