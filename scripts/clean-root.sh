# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # $out is the caller's
# Sourced by scripts that work in a Debian which has nothing but what they ask for. They set
# $out, the directory that has those roots and their logs.
suite=bookworm
arch=$(dpkg --print-architecture)
cache=${DMARACE_CACHE:-/var/cache/dmarace}

say() { echo "${0##*/}: $*" >&2; }
fail() { # [-CODE] WORDS
    local code=1
    case $1 in -[0-9]) code=${1#-} && shift ;; esac
    say "$*"
    exit "$code"
}

inside() { # ROOT COMMAND..: in a mount namespace that goes with it
    unshare --mount --pid --fork --mount-proc="$1/proc" chroot "$1" \
        /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
        DEBIAN_FRONTEND=noninteractive "${@:2}"
}

apt_inside() { # ROOT WORD..: apt-get
    inside "$1" apt-get -q -y --no-install-recommends "${@:2}" >>"$out/apt.log" 2>&1 ||
        fail "apt-get ${*:2:2}: see $out/apt.log"
}

# clean_root NAME: $out/NAME is a copy of the one that is kept.
clean_root() {
    local base=$cache/deb-root-$suite-$arch
    [ "$(id -u)" = 0 ] || fail -3 "a clean root takes root rights (debootstrap, chroot)"
    command -v debootstrap >/dev/null || fail -3 "no debootstrap: scripts/setup.sh installs it"
    mkdir -p "$cache"
    (
        flock 9
        [ ! -e "$base/.complete" ] || exit 0
        # Where this machine's apt has it from.
        # shellcheck disable=SC2016 # apt's words
        mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $suite" \
            'Created-By: Packages' | head -n 1)
        [ -n "$mirror" ] || fail -3 "apt here knows no archive with $suite"
        say "making a clean $suite below $cache"
        rm -rf "$base"
        debootstrap --variant=minbase "$suite" "$base" "$mirror" >"$out/debootstrap.log" ||
            fail -3 "debootstrap: see $out/debootstrap.log"
        printf "deb $mirror %s main\n" "$suite" "$suite-backports" >"$base/etc/apt/sources.list"
        printf '#!/bin/sh\nexit 101\n' >"$base/usr/sbin/policy-rc.d"
        chmod +x "$base/usr/sbin/policy-rc.d"
        echo force-unsafe-io >"$base/etc/dpkg/dpkg.cfg.d/unsafe-io"
        touch "$base/.complete"
    ) 9>"$cache/deb-root.lock"
    rm -rf "${out:?}/$1"
    cp -a "$base" "$out/$1"
    cp /etc/resolv.conf "$out/$1/etc/resolv.conf"
    apt_inside "$out/$1" update
}
