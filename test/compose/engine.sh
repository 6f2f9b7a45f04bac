#!/usr/bin/env bash
# A Docker engine and `docker compose` on this machine, for the tests of images and compose: installed from Debian and started when
# absent. Prints `export` lines for the caller; progress goes to stderr. Needs root where something is missing.
set -euo pipefail
say() { echo "engine: $*" >&2; }
work=${BIOXEN_ENGINE_DIR:-${TMPDIR:-/tmp}/bioxen-engine}
mkdir -p "$work"

missing=()
command -v dockerd >/dev/null || docker version >/dev/null 2>&1 || missing+=(docker.io)
# The stand-in images need a static wget; see stand-in/.
command -v busybox >/dev/null && ! ldd "$(command -v busybox)" >/dev/null 2>&1 || missing+=(busybox-static)
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]}"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$work/apt.log" 2>&1 || { tail "$work/apt.log" >&2; exit 1; }
fi

if ! docker version >/dev/null 2>&1; then
  say "starting dockerd"
  setsid dockerd --data-root "$work/docker" >"$work/dockerd.log" 2>&1 &
  for _ in $(seq 150); do docker version >/dev/null 2>&1 && break; sleep 0.2; done
  docker version >/dev/null 2>&1 || { say "dockerd does not come up"; tail "$work/dockerd.log" >&2; exit 1; }
fi

# Debian 12 has the old docker-compose only; the plugin of Debian 13 is one static binary.
if ! docker compose version >/dev/null 2>&1; then
  plugins="$work/config/cli-plugins"
  if [ ! -x "$plugins/docker-compose" ]; then
    say "fetching docker compose"
    apt="$work/apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/sources" "$plugins"
    mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } | grep -E '^(URIs:|deb )' |
      grep -oE 'https?://[^ ]+' | grep -m1 '/debian/*$')
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$apt/sources/trixie.list"
    options=(-o "Dir::Etc::sourcelist=$apt/sources/trixie.list" -o Dir::Etc::sourceparts=/dev/null
      -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update -qq >&2
    (cd "$apt" && apt-get "${options[@]}" download -qq docker-compose >&2 && dpkg -x docker-compose_*.deb x)
    cp "$apt/x/usr/libexec/docker/cli-plugins/docker-compose" "$plugins/"
  fi
  echo "export DOCKER_CONFIG='$work/config'"
  export DOCKER_CONFIG="$work/config"
fi
docker compose version >&2
