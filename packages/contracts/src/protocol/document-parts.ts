/**
 * The parts of the AsyncAPI document while it is made: channels, operations, messages and schemas, by name.
 */
import recorded from "./examples.json" with { type: "json" };
import { type Json, JsonSchemas } from "./json-schemas.ts";

/** Real messages of a run, by the name of the message; test/e2e/protocol-examples.ts records them. */
const EXAMPLES: Readonly<Record<string, Example | undefined>> = recorded;

export interface Example {
  readonly headers?: Json;
  readonly payload: unknown;
}

/** Where the document has its named schemas. */
const SCHEMAS = "#/components/schemas/";

/** A message of the document, before its name is added. */
export interface MessageParts {
  readonly title: string;
  readonly summary: string;
  readonly payload: unknown;
  readonly contentType?: string;
  readonly headers?: Json;
  readonly correlationId?: Json;
}

export class DocumentParts {
  readonly channels: Record<string, Json> = {};
  readonly operations: Record<string, Json> = {};
  readonly messages: Record<string, Json> = {};
  readonly schemas = new JsonSchemas(SCHEMAS);

  /** `example` is used where no message of this name was recorded. */
  addMessage(name: string, message: MessageParts, example?: Example): void {
    const shown = EXAMPLES[name] ?? example;
    this.messages[name] = { name, ...message, ...(shown === undefined ? {} : { examples: [shown] }) };
  }

  /** Returns the `parameters` of a channel; nothing for a channel without parameters. */
  parametersOf(names: readonly string[]): { readonly parameters?: Json } {
    if (names.length === 0) return {};
    const described = names.map((name) => [name, { description: PARAMETERS[name] }]);
    return { parameters: Object.fromEntries(described) };
  }

  /** Adds a channel with messages of {@link messages}, on which BioXen publishes. */
  addPublished(
    channel: string,
    published: {
      readonly address: string;
      readonly parameters: readonly string[];
      readonly summary: string;
      readonly messages: readonly string[];
      readonly internal?: boolean;
    },
  ): void {
    const { address, parameters, summary, messages, internal = false } = published;
    this.channels[channel] = {
      address,
      ...this.parametersOf(parameters),
      messages: Object.fromEntries(messages.map((name) => [name, messageReference(name)])),
    };
    this.operations[channel] = {
      action: "send",
      summary,
      ...(internal ? { tags: [{ name: "internal" }] } : {}),
      channel: { $ref: `#/channels/${channel}` },
      messages: messages.map((name) => ({ $ref: `#/channels/${channel}/messages/${name}` })),
    };
  }
}

export const messageReference = (name: string): Json => ({ $ref: `#/components/messages/${name}` });

/** The tokens of subjects that vary. */
const PARAMETERS: Readonly<Record<string, string>> = {
  id: "Id of the aggregate.",
  vmId: "Id of the VM.",
  owner: "The principal that owns the VM.",
  chassisId: "Id of the chassis.",
  agentId: "Id of the agent.",
  service: "Name of the service.",
  instanceId: "Id of the instance, which is one process.",
  severity: "`info`, `warning` or `critical`.",
  ruleId: "Id of the alert rule.",
  checkpointId: "Id of the stored state.",
  jobId: "Id of the durable command: its `Nats-Msg-Id`. It can contain dots.",
  incarnation: "Number of the VM among those that had its id.",
  branch: "How often the cell went back before: restored, or begun again after its end.",
  run: "Number of the guest within the branch.",
  firstMinute: "Simulated minute of the first row.",
};
