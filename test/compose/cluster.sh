#!/usr/bin/env bash
# Tests profile `cluster` of the compose file under a separate project name: starts a VM with the admin's key, checks that
# a client without a key is refused, kills one NATS server and one lifecycle instance, which stay down, and checks that
# commands still succeed. Removes all containers and volumes at the
# end. The profile has too many processes for lane.sh on a small machine; run this script manually, with the same engine
# and images:
#
#   eval "$(bash test/compose/engine.sh)" && eval "$(bash test/compose/stand-in.sh)" && bash test/compose/cluster.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
export COMPOSE_PROJECT_NAME=bioxen-cluster
compose() { docker compose --progress quiet --profile cluster "$@"; }
cli() { compose run --rm -T cluster-cli "$@"; }
trap 'status=$?; [ $status = 0 ] || compose logs --tail 20; compose down --volumes --remove-orphans >/dev/null 2>&1; exit $status' EXIT

compose build cluster-lifecycle cluster-allocator cluster-chassis-scheduler cluster-monitor cluster-experiments cluster cluster-cli
compose up --detach --wait --wait-timeout 300 cluster
cli vm create c1 --type syn3a --start --timeout 60000
status=0
compose run --rm -T --env BIOXEN_NATS_CREDS= cluster-cli vm ls || status=$?
[ $status = 3 ] || { echo "a client without a key ends with $status instead of 3"; exit 1; }
docker kill bioxen-cluster-nats-2-1 bioxen-cluster-cluster-lifecycle-3 >/dev/null
cli vm create c2 --type minimal_cell --start --timeout 60000
cli vm exec c1 -e 'return cell.id' --timeout 30000
for vm in c1 c2; do
  cli vm show $vm --json --timeout 30000 | node -e '
    const { vm } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
    if (vm.state !== "running") throw new Error(`${vm.vmId} is ${vm.state}`);'
done
cli events verify
echo "the cluster works without one NATS server and one lifecycle instance"
