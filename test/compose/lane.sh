#!/usr/bin/env bash
# Runs all tests of images and containers: provides a Docker engine if none runs, builds the images and runs the test
# suite. It always stops what it started and removes what it created, also after a failure. Exits with 0 only if every
# step succeeded.
#
# STAND_IN=1 uses local stand-in images, for machines without access to an image registry.
set -euo pipefail
cd "$(dirname "$0")/../.."
started_at=$SECONDS
report() { echo "containers: $* ($((SECONDS - started_at)) s)"; }
answered_before=$(docker version >/dev/null 2>&1 && echo yes || echo no)

finish() {
  local status=$?
  trap - EXIT
  for label in org.testcontainers=true com.docker.compose.project=bioxen-suite; do
    docker ps -aq --filter "label=$label" 2>/dev/null | xargs -r docker rm --force --volumes >/dev/null 2>&1 || true
    docker network ls -q --filter "label=$label" 2>/dev/null | xargs -r docker network rm >/dev/null 2>&1 || true
    docker volume ls -q --filter "label=$label" 2>/dev/null | xargs -r docker volume rm --force >/dev/null 2>&1 || true
  done
  [ "$answered_before" = yes ] || bash test/compose/engine.sh stop || true
  if [ $status = 0 ]; then report "all steps succeeded"; else report "FAILED with exit code $status"; fi
  exit $status
}
trap finish EXIT

engine=$(bash test/compose/engine.sh) || { echo "containers: no Docker engine: see the messages above"; exit 1; }
eval "$engine"
report "the engine answers"
if [ "${STAND_IN:-}" = 1 ]; then
  images=$(bash test/compose/stand-in.sh) || { echo "containers: cannot build the stand-in images: see the messages above"; exit 1; }
  eval "$images"
  report "the stand-in images are built"
fi
COMPOSE_PROJECT_NAME=bioxen-suite docker compose --profile cli build --quiet
report "the images are built"
BIOXEN_IMAGES=built npx -y pnpm@10.34.9 run test:compose
report "the test suite passed"
