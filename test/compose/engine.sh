#!/usr/bin/env bash
# Provides a Docker engine and `docker compose` for the tests of images and compose: installs missing parts from Debian
# and starts the engine if none runs. Prints `export` lines for the caller on stdout, and progress on stderr. An
# installation needs root.
#
#   eval "$(bash test/compose/engine.sh)"      … and at the end:      bash test/compose/engine.sh stop
#
# `stop` stops only an engine that this script started. The engine's images stay in its folder for the next run.
set -euo pipefail
say() { echo "engine: $*" >&2; }
die() { say "$*"; exit 1; }
work=${BIOXEN_ENGINE_DIR:-${TMPDIR:-/tmp}/bioxen-engine}
mkdir -p "$work"
pidfile="$work/dockerd.pid"

# Mirrors can be unreachable for a short time, and another apt process can hold the lock; timeouts in s.
APT_OPTIONS=(-qq -o Acquire::Retries=3 -o Acquire::http::Timeout=30 -o APT::Update::Error-Mode=any -o DPkg::Lock::Timeout=120)
tries() { # runs a command up to three times, with a pause after each failure
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
  say "dockerd does not stop within 20 s: killed"
  kill -9 "$pid"
}

apt_install() {
  [ "$(id -u)" = 0 ] || die "$* missing: install it, or run this script as root"
  command -v apt-get >/dev/null || die "$* missing, and apt-get is missing too: install it manually"
  say "installing $*"
  tries apt-get "${APT_OPTIONS[@]}" update >&2 || die "apt-get update fails"
  DEBIAN_FRONTEND=noninteractive tries apt-get "${APT_OPTIONS[@]}" install -y --no-install-recommends "$@" >"$work/apt.log" 2>&1 ||
    { tail -20 "$work/apt.log" >&2; die "apt-get cannot install $*"; }
}

start_engine() {
  # After a reboot, old pid files name process ids that now belong to other processes.
  rm -rf "$pidfile" "$work/run"
  (
    # dockerd outlives the caller. It must not inherit the caller's open files, such as a lock, or a pipe whose reader
    # waits for its end.
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

# Debian 12 has only the old docker-compose. The plugin from Debian 13 is one static binary, so it also runs on Debian
# 12.
fetch_compose() {
  local apt="$work/apt" plugins="$work/config/cli-plugins" mirror
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/sources" "$plugins"
  mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } | grep -E '^(URIs:|deb )' |
    grep -oE 'https?://[^ ]+' | grep -m1 '/debian/*$') || die "cannot fetch docker compose: no Debian mirror in /etc/apt/sources.list*"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$apt/sources/trixie.list"
  local options=(-o "Dir::Etc::sourcelist=$apt/sources/trixie.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
  tries apt-get "${APT_OPTIONS[@]}" "${options[@]}" update >&2 || die "apt-get update fails for Debian 13"
  cd "$apt"
  rm -rf docker-compose_*.deb x
  tries apt-get "${APT_OPTIONS[@]}" "${options[@]}" download docker-compose >&2 || die "docker compose cannot be fetched"
  dpkg -x docker-compose_*.deb x
  # Renaming is atomic: an interrupted copy must not leave a truncated plugin that the next run would use.
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
    say "dockerd does not start; second try with an empty store"
    tail -5 "$work/dockerd.log" >&2
    rm -rf "$work/docker"
    start_engine || { tail -20 "$work/dockerd.log" >&2; die "dockerd does not start: see the log above"; }
  fi
fi

if ! docker compose version >/dev/null 2>&1; then
  export DOCKER_CONFIG="$work/config"
  docker compose version >/dev/null 2>&1 || { say "fetching docker compose"; (fetch_compose); }
  echo "export DOCKER_CONFIG='$work/config'"
fi
docker compose version >&2
