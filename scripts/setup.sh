#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what building, testing and running dmarace takes on Debian 12, by
# apt. Installed packages are left alone, so a second run is over at once.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/setup.sh [--list]

Installs, as root, the Debian packages that dmarace needs, and adds the foreign
architecture arm64 on a machine of another one. --list only says which.
TEXT
}

# Why, then the packages. "+" marks those wanted for arm64, whatever this is.
needs() {
    cat <<'TEXT'
compilers and build tools: git make cmake ninja-build g++ pkg-config clang-format-14
libraries of the programs: libkmod-dev libudev-dev libmount-dev libblkid-dev libnl-route-3-dev libbpf-dev libsystemd-dev libboost-program-options-dev libtomlplusplus-dev nlohmann-json3-dev libfmt-dev libpugixml-dev libarchive-dev libfdt-dev
unit tests: libgtest-dev libgmock-dev man-db bsdutils zsh fish
virtual boards: qemu-system-arm qemu-system-x86 seabios qemu-efi-aarch64 ipxe-qemu
disks of boards: e2fsprogs
packages: autopkgtest
boards on a desk, and one that behaves so: openssh-client socat cpio
kernels and their modules: debootstrap kmod xz-utils zstd ca-certificates debian-archive-keyring
kernels from source: flex bison bc libelf-dev libssl-dev dwarves
libraries of the boards' programs: +libkmod-dev +libudev-dev +libmount-dev +libblkid-dev +libnl-route-3-dev +libbpf-dev +libsystemd-dev +libboost-program-options-dev +libtomlplusplus-dev +libfmt-dev +libpugixml-dev
TEXT
    if [ "$native" != arm64 ]; then
        echo "cross compiler for the boards: gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross"
    fi
}

# installed PACKAGE ARCHITECTURE
installed() {
    dpkg-query -W -f '${db:Status-Status} ${Architecture}\n' "$1" 2>/dev/null |
        grep -qxE "installed ($2|all)"
}

# Prints "why: missing packages", a line each.
missing() {
    local why packages package list
    while IFS=: read -r why packages; do
        list=
        for package in $packages; do
            if [ "${package#+}" != "$package" ]; then
                installed "${package#+}" arm64 || list+=" ${package#+}:arm64"
            else
                installed "$package" "$native" || list+=" $package"
            fi
        done
        [ -z "$list" ] || echo "$why:$list"
    done < <(needs)
}

case ${1:-} in
-h | --help) usage && exit 0 ;;
'' | --list) ;;
*) usage >&2 && exit 2 ;;
esac

command -v dpkg >/dev/null && command -v apt-get >/dev/null || {
    echo "setup.sh: this is for Debian; elsewhere install by hand what needs() lists" >&2
    exit 3
}
native=$(dpkg --print-architecture)
wanted=$(missing)
if [ -z "$wanted" ]; then
    echo "setup.sh: all packages are there"
    exit 0
fi
echo "setup.sh installs:"
# shellcheck disable=SC2001 # every line, not the first
sed 's/^/  /' <<<"$wanted"
[ "$native" = arm64 ] || echo "  (and lets apt know of the architecture arm64)"
[ "${1:-}" != --list ] || exit 0
[ "$(id -u)" = 0 ] || {
    echo "setup.sh: installing takes root: run it as root once" >&2
    exit 3
}

export DEBIAN_FRONTEND=noninteractive
[ "$native" = arm64 ] || dpkg --add-architecture arm64
apt-get update -q
# Never kernel headers: those of a foreign architecture would take the native
# compiler away; dmarace-vm keeps its own in a cache.
# shellcheck disable=SC2046 # a list of names
apt-get install -q -y --no-install-recommends $(cut -d: -f2- <<<"$wanted")
left=$(missing)
[ -z "$left" ] || {
    printf 'setup.sh: still missing:\n%s\n' "$left" >&2
    exit 3
}
echo "setup.sh: done"
