#!/usr/bin/env bash
# Builds the images and starts the compose stack under a separate project name. A VM starts, survives a restart of NATS
# and of every service, and is destroyed. Removes all containers and volumes at the end. The caller provides the Docker
# engine and base images: see lane.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
export BIOXEN_NATS_PORT=${BIOXEN_NATS_PORT:-24222} BIOXEN_CONSOLE_PORT=${BIOXEN_CONSOLE_PORT:-27480} COMPOSE_PROJECT_NAME=bioxen-smoke
compose() { docker compose --progress quiet "$@"; }
cli() { compose --profile cli run --rm -T cli "$@"; }
trap 'status=$?; [ $status = 0 ] || compose logs --tail 20; compose --profile cli down --volumes --remove-orphans >/dev/null 2>&1; exit $status' EXIT

compose --profile cli build
compose up --detach --wait --wait-timeout 180
cli vm create c1 --type syn3a --start --timeout 30000
before=$(cli vm show c1 --json)
compose restart
compose up --detach --wait --wait-timeout 180
after=$(cli vm show c1 --json --timeout 30000)
node -e '
  const [before, after] = process.argv.slice(1).map((text) => JSON.parse(text).vm);
  if (before.state !== "running" || after.state !== "running" || before.createdAtMs !== after.createdAtMs) {
    throw new Error(`${before.state} ${after.state}`);
  }' "$before" "$after"
cli events verify
cli vm destroy c1
echo "the compose stack works"
