/**
 * The types of the protocol that the console reads. They are imported as types only, so that the schemas are not in
 * the files that a browser loads.
 */
import type { EndpointName, ResultOf } from "@bioxen/contracts";

export type {
  ActiveAlertView,
  AlertRuleView,
  ChassisSample,
  ChassisView,
  CreateRequest,
  DrainView,
  ExperimentView,
  ExperimentVmView,
  GuestLine,
  LedgerView,
  PlacementRefusal,
  QuotaView,
  SnapshotView,
  VmSample,
  VmStateName,
  VmView,
} from "@bioxen/contracts";

/** The reply of an endpoint that did not refuse. */
export type Result<N extends EndpointName> = ResultOf<N>;

/** Amounts of resources by name. */
export type Amounts = Readonly<Record<string, number>>;

/** An event of the log with its sequence. */
export interface LogEvent {
  readonly seq: number;
  readonly id: string;
  readonly type: string;
  /** Kind and id of the aggregate, such as `vm/c1`. */
  readonly subject: string;
  readonly time: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly aggregateversion: number;
  readonly correlationid: string;
  readonly causationid: string;
  readonly principal?: string;
  readonly onbehalfof?: string;
  readonly via?: string;
}

export interface Session {
  readonly principal: string;
  readonly role: "admin" | "operator" | "observer" | "tenant" | "anonymous";
  readonly keys: boolean;
  readonly clusterId: string;
  readonly version: string;
}
