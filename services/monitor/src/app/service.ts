/**
 * The monitor service. It measures the fleet, joins the measurements with the log, and owns the alerts.
 */
import { ENDPOINTS, serve } from "@bioxen/contracts";
import type { EventFeed, ServicePorts } from "@bioxen/kernel";
import { AlertCommands } from "./alert-commands.ts";
import { NO_WEBHOOKS, type Webhooks } from "./alert-deliveries.ts";
import { AlertValues } from "./alert-values.ts";
import { Alerts } from "./alerts.ts";
import { FeedWriter } from "./feed-writer.ts";
import { Fleet } from "./fleet.ts";
import { FleetRecorder } from "./fleet-recorder.ts";
import { fleetMeasurements, vmMeasurements } from "./measurements.ts";
import { MonitorQueries } from "./queries.ts";
import { Samples } from "./samples.ts";

export interface MonitorOptions {
  /** Receivers of alerts in addition to NATS; default: none. */
  readonly webhooks?: Webhooks;
}

/** Returns the writer of the feed of tenants; undefined on an open stack, which has no tenants. */
function feedWriterOf(ports: ServicePorts, fleet: Fleet, alerts: Alerts): FeedWriter | undefined {
  const { tenantFeed: feed } = ports;
  if (feed === undefined) return undefined;
  return new FeedWriter({
    ports,
    feed,
    vms: fleet.vms,
    isRunBy: (agentId, vmId) => fleet.placesOf(vmId).some((chassisId) => fleet.isRunBy(agentId, chassisId)),
    acts: () => alerts.acts(),
  });
}

export function createMonitor(ports: ServicePorts, options: MonitorOptions = {}) {
  const samples = new Samples(ports);
  const fleet = new Fleet(samples, ports.clock);
  const alerts = new Alerts(ports, options.webhooks ?? NO_WEBHOOKS);
  const values = new AlertValues(ports, fleet, samples, alerts.evaluator);
  const commands = new AlertCommands(alerts);
  const recorder = new FleetRecorder(ports, fleet, samples, alerts);
  const queries = new MonitorQueries(ports, fleet, samples);
  const tenants = feedWriterOf(ports, fleet, alerts);
  return {
    sinks: [fleet.vms, fleet.ledgers, fleet.chassis, alerts.states],
    endpoints: [
      serve(ENDPOINTS.monitorVm, ({ vmId }) => queries.vm(vmId)),
      serve(ENDPOINTS.monitorChassis, ({ chassisId }) => queries.chassis(chassisId)),
      serve(ENDPOINTS.monitorFleet, (request, _causation, maxBytes) => queries.fleet(request, maxBytes)),
      serve(ENDPOINTS.monitorHistory, (request, _causation, maxBytes) => recorder.history(request, maxBytes)),
      serve(ENDPOINTS.monitorReport, (request, _causation, maxBytes) => queries.report(request, maxBytes)),
      serve(ENDPOINTS.alertSetRule, (request, causation) => commands.setRule(request, causation)),
      serve(ENDPOINTS.alertRemoveRule, (request, causation) => commands.removeRule(request, causation)),
      serve(ENDPOINTS.alertList, (request, _causation, maxBytes) => commands.list(request, maxBytes)),
      serve(ENDPOINTS.alertDead, (request, _causation, maxBytes) => commands.dead(request, maxBytes)),
      serve(ENDPOINTS.alertRetry, (request, causation) => commands.retry(request, causation)),
    ],
    begin(feed: EventFeed) {
      fleet.begin(feed);
      tenants?.begin(feed);
      alerts.begin(feed, () => tenants?.takeOver());
      values.begin(feed);
      recorder.begin();
      samples.begin({
        onVm: (sample) => {
          values.observeSample(sample);
          tenants?.passSample(sample);
        },
        isFrom: (agentId, chassisId, vmId) =>
          fleet.isRunBy(agentId, chassisId) &&
          (vmId === undefined || fleet.placesOf(vmId).includes(chassisId)),
        isKnown: (kind, id) => (kind === "vm" ? fleet.vms : fleet.chassis).get(id) !== undefined,
      });
    },
    async end() {
      samples.end();
      values.end();
      recorder.end();
      await tenants?.end();
      await alerts.end();
    },
    measure: () => fleetMeasurements(fleet, samples, alerts, ports.clock),
    measureVms: () => vmMeasurements(fleet, samples),
  };
}
