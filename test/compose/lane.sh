#!/usr/bin/env bash
# The lane of images and containers, whole: an engine where there is none, the images, the suite. What it started is
# ended and what it made is removed, whatever happens. Ends with 0 only when all of it held.
#
# STAND_IN=1: on local stand-in images, where no image registry can be reached.
set -euo pipefail
cd "$(dirname "$0")/../.."
begun=$SECONDS
said() { echo "containers: $* ($((SECONDS - begun)) s)"; }
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
  if [ $status = 0 ]; then said "all held"; else said "FAILED with $status"; fi
  exit $status
}
trap finish EXIT

engine=$(bash test/compose/engine.sh) || { echo "containers: there is no Docker engine, see above"; exit 1; }
eval "$engine"
said "the engine answers"
if [ "${STAND_IN:-}" = 1 ]; then
  images=$(bash test/compose/stand-in.sh) || { echo "containers: the stand-in images cannot be made"; exit 1; }
  eval "$images"
  said "stand-ins for the base images are made"
fi
COMPOSE_PROJECT_NAME=bioxen-suite docker compose --profile cli build --quiet
said "the images are built"
BIOXEN_IMAGES=built npx -y pnpm@10.34.9 run test:compose
said "suite"
