#!/bin/sh
# Installs the Debian packages of tools/packages.txt that are missing. Says what it does; does
# nothing when all are there. Usage: tools/setup.sh [group …]   (default group: build)
set -eu
cd "$(dirname "$0")/.."
groups="${*:-build}"

wanted=""
for group in $groups; do
  found=$(awk -v group="[$group]" '
    /^\[/ { inside = ($0 == group); next }
    inside && NF && !/^#/ { print $1 }' tools/packages.txt)
  if [ -z "$found" ]; then
    echo "setup: tools/packages.txt has no group [$group]" >&2
    exit 2
  fi
  wanted="$wanted $found"
done

if ! command -v dpkg-query >/dev/null 2>&1; then
  echo "setup: this is not Debian; install what these Debian packages hold, then build:" >&2
  echo $wanted | fold -s -w 100 | sed 's/^/  /' >&2
  echo "setup: going on with what is installed" >&2
  exit 0
fi

missing=""
for package in $wanted; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
  echo "setup: all $(echo $wanted | wc -w) packages are installed"
  exit 0
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "setup: not root, and there is no sudo; run this as root:" >&2
    echo "  apt-get install --no-install-recommends$missing" >&2
    exit 2
  fi
  as_root="sudo"
fi
echo "setup: installing $(echo $missing | wc -w) packages with apt-get:$missing"
install() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o Dpkg::Use-Pty=0 $missing
}
log=$(mktemp)
outcome=$(mktemp)
trap 'rm -f "$log" "$outcome"' EXIT
# Runs a command with its output in $log, and tells how far it is; fails as the command does.
with_progress() {
  { "$@" 2>&1 && echo 0 >"$outcome" || echo 1 >"$outcome"; } | tee "$log" | awk '
    /newly installed/ { print "  " $0 }
    /^Get:/ { if (++fetched % 25 == 0) print "  fetched " fetched " files" }
    /^Setting up/ { if (++done % 25 == 0) print "  installed " done " packages" }
    { fflush() }'
  return "$(cat "$outcome")"
}
update() {
  echo "setup: reading the package lists (apt-get update)"
  with_progress $as_root apt-get update -q || tail -n 5 "$log" >&2
}
install() {
  with_progress $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
    --no-install-recommends -o Dpkg::Use-Pty=0 $missing
}
# Fresh machines have no lists, and old lists name files that are gone: in both cases update first.
if ! find /var/lib/apt/lists -name '*_Packages*' -mtime -7 2>/dev/null | grep -q .; then update; fi
if ! install; then
  update
  install || {
    tail -n 20 "$log" >&2
    echo "setup: apt-get could not install them; Odeon is built and tested on Debian 12" >&2
    exit 2
  }
fi
echo "setup: done"
