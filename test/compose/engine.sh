#!/usr/bin/env bash
# A Docker engine and `docker compose` on this machine, for the tests of images and compose: installed from Debian and started when
# absent. Prints `export` lines for the caller; progress goes to stderr. Needs root where something is missing.
#
#   eval "$(bash test/compose/engine.sh)"      … then, in the end:      bash test/compose/engine.sh stop
#
# `stop` ends the engine that this script started, and no other. Its images stay in its folder for the next time.
set -euo pipefail
say() { echo "engine: $*" >&2; }
die() { say "$*"; exit 1; }
work=${BIOXEN_ENGINE_DIR:-${TMPDIR:-/tmp}/bioxen-engine}
mkdir -p "$work"
pidfile="$work/dockerd.pid"

# Mirrors are away for a moment now and then; another apt may hold the lock (s).
APT_OPTIONS=(-qq -o Acquire::Retries=3 -o Acquire::http::Timeout=30 -o APT::Update::Error-Mode=any -o DPkg::Lock::Timeout=120)
tries() { # a command, three times with a pause
  for pause in 2 8 0; do
    "$@" && return 0
    say "failed: $*"
    sleep $pause
  done
  return 1
}
answers() { timeout 10 docker version >/dev/null 2>&1; }
ours() { [ -s "$pidfile" ] && [ "$(cat "/proc/$(cat "$pidfile")/comm" 2>/dev/null)" = dockerd ]; }

stop_engine() {
  ours || return 0
  local pid
  pid=$(cat "$pidfile")
  kill "$pid"
  for _ in $(seq 100); do
    [ -d "/proc/$pid" ] || { rm -f "$pidfile"; return 0; }
    sleep 0.2
  done
  say "dockerd does not end; killed"
  kill -9 "$pid"
}

apt_install() {
  [ "$(id -u)" = 0 ] || die "$* missing, and only root can install it"
  command -v apt-get >/dev/null || die "$* missing, and there is no apt-get to install it"
  say "installing $*"
  tries apt-get "${APT_OPTIONS[@]}" update >&2 || die "apt-get update fails"
  DEBIAN_FRONTEND=noninteractive tries apt-get "${APT_OPTIONS[@]}" install -y --no-install-recommends "$@" >"$work/apt.log" 2>&1 ||
    { tail -20 "$work/apt.log" >&2; die "apt-get cannot install $*"; }
}

start_engine() {
  # A machine that was switched off leaves pid files of processes that are others now.
  rm -rf "$pidfile" "$work/run"
  (
    # It outlives its caller, so it must not hold open what that had: a lock, a pipe somebody reads to its end.
    for fd in /proc/self/fd/*; do [ "${fd##*/}" -le 2 ] || eval "exec ${fd##*/}>&-"; done
    exec setsid dockerd --data-root "$work/docker" --exec-root "$work/run" --pidfile "$pidfile" >"$work/dockerd.log" 2>&1 </dev/null
  ) &
  local started=$!
  for _ in $(seq 150); do
    answers && return 0
    [ -d "/proc/$started" ] || return 1
    sleep 0.2
  done
  stop_engine
  return 1
}

# Debian 12 has the old docker-compose only; the plugin of Debian 13 is one static binary.
fetch_compose() {
  local apt="$work/apt" plugins="$work/config/cli-plugins" mirror
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/sources" "$plugins"
  mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } | grep -E '^(URIs:|deb )' |
    grep -oE 'https?://[^ ]+' | grep -m1 '/debian/*$') || die "no Debian mirror is configured to take docker compose from"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$apt/sources/trixie.list"
  local options=(-o "Dir::Etc::sourcelist=$apt/sources/trixie.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
  tries apt-get "${APT_OPTIONS[@]}" "${options[@]}" update >&2 || die "apt-get update fails for Debian 13"
  cd "$apt"
  rm -rf docker-compose_*.deb x
  tries apt-get "${APT_OPTIONS[@]}" "${options[@]}" download docker-compose >&2 || die "docker compose cannot be fetched"
  dpkg -x docker-compose_*.deb x
  # In place at once, or not at all: a plugin that was cut off would be found next time.
  cp x/usr/libexec/docker/cli-plugins/docker-compose "$plugins/.new"
  mv "$plugins/.new" "$plugins/docker-compose"
}

case ${1:-start} in
  stop) stop_engine; exit ;;
  start) ;;
  *) die "usage: engine.sh [start|stop]" ;;
esac

missing=()
command -v docker >/dev/null && { answers || command -v dockerd >/dev/null; } || missing+=(docker.io)
# The stand-in images need a static wget; see stand-in.sh.
command -v busybox >/dev/null && ! ldd "$(command -v busybox)" >/dev/null 2>&1 || missing+=(busybox-static)
[ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"

if ! answers; then
  say "starting dockerd"
  if ! start_engine; then
    say "dockerd does not come up; once more on an empty store"
    tail -5 "$work/dockerd.log" >&2
    rm -rf "$work/docker"
    start_engine || { tail -20 "$work/dockerd.log" >&2; die "dockerd does not come up"; }
  fi
fi

if ! docker compose version >/dev/null 2>&1; then
  export DOCKER_CONFIG="$work/config"
  docker compose version >/dev/null 2>&1 || { say "fetching docker compose"; (fetch_compose); }
  echo "export DOCKER_CONFIG='$work/config'"
fi
docker compose version >&2
