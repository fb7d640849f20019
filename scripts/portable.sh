#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Packs programs with all that they need of this machine into one archive that runs
# on any Linux of their architecture. Same input, same bytes.
set -euo pipefail
umask 022
export LC_ALL=C

usage() {
    cat <<'TEXT'
usage: scripts/portable.sh --version V --out DIR [--cxx CXX] [--strip STRIP] PROGRAM..

Makes DIR/dmarace-V-ARCH.tar.xz: the programs, the shared libraries and the loader that
they need, jobs, the module's sources, docs and licences (docs/portable.md). ARCH is that
of the programs; libraries come from Debian's directory for it or from where CXX has them.
Its files are dated SOURCE_DATE_EPOCH, else the last commit. Exit 1: it is over 8 MB.
'cmake --build --preset arm64 --target portable' calls it.
TEXT
}

most=$((8 * 1000 * 1000))
version='' out='' cxx=c++ strip=strip
while [ $# -gt 0 ]; do
    case $1 in
    --version | --out | --cxx | --strip)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        printf -v "${1#--}" %s "$2"
        shift 2
        ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) break ;;
    esac
done
[ -n "$version" ] && [ -n "$out" ] && [ $# -gt 0 ] || { usage >&2; exit 2; }
source=$(cd "$(dirname "$0")/.." && pwd)

fail() { echo "portable.sh: $*" >&2; exit 3; }

elf=$(readelf -hW "$1") || fail "$1 is no program"
case $elf in
*Machine:*AArch64*) arch=arm64 triplet=aarch64-linux-gnu ;;
*Machine:*X86-64*) arch=amd64 triplet=x86_64-linux-gnu ;;
*) fail "$1 is for neither arm64 nor x86-64" ;;
esac

# find_library NAME: its path on this machine.
find_library() {
    local path
    for path in "/lib/$triplet/$1" "/usr/lib/$triplet/$1" "$($cxx -print-file-name="$1")"; do
        [ ! -f "$path" ] || { readlink -f "$path"; return; }
    done
    fail "no $1 for $arch here (scripts/setup.sh installs it)"
}

needed() { readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

# "NAME PATH" of every library that the files need, and what those need.
declare -A found=()
gather() {
    local name
    for name in $(needed "$1"); do
        [ -z "${found[$name]:-}" ] || continue
        found[$name]=$(find_library "$name")
        gather "${found[$name]}"
    done
}

name=dmarace-$version-$arch
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/$name
mkdir -p "$tree/lib" "$tree/LICENSES" "$tree/scripts"

loader=$(basename "$(readelf -lW "$1" | sed -n 's/.*program interpreter: \(.*\)]/\1/p')")
found[$loader]=$(find_library "$loader")
for program in "$@"; do
    gather "$program"
    "$strip" -o "$tree/lib/$(basename "$program")" "$program"
    cat >"$tree/$(basename "$program")" <<TEXT
#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs the program of its name in lib/ by the loader and the libraries there.
self=\$(readlink -f "\$0" 2>/dev/null) || self=\$0
case \$self in */*) here=\${self%/*} ;; *) here=. ;; esac
# Those of the board are for another C library.
unset LD_LIBRARY_PATH LD_PRELOAD
exec "\$here/lib/$loader" --inhibit-cache --library-path "\$here/lib" --argv0 "\$0" \\
    "\$here/lib/\${self##*/}" "\$@"
TEXT
    chmod 755 "$tree/$(basename "$program")"
done
for library in "${!found[@]}"; do
    install -m 755 "${found[$library]}" "$tree/lib/$library"
done

# Whose the libraries are: package, version and terms.
packages=$(for library in "${found[@]}"; do
    dpkg-query -S "$library" 2>/dev/null || dpkg-query -S "${library#/usr}" 2>/dev/null || true
done | sed 's/: .*//' | sort -u)
{
    echo "Libraries in lib/, from Debian:"
    for package in $packages; do
        dpkg-query -W -f '${binary:Package} ${Version} (source ${source:Package} ${source:Version})\n' \
            "$package"
    done
    for package in $packages; do
        printf '\n==== %s\n\n' "$package"
        cat "/usr/share/doc/${package%:*}/copyright"
    done
} | gzip -n9 >"$tree/LICENSES/libraries.txt.gz"

cd "$source"
install -m 644 README.md CONTRIBUTING.md Kbuild "$tree"
install -m 644 LICENSES/*.txt "$tree/LICENSES"
[ ! -f scripts/build-module.sh ] || install -m 755 scripts/build-module.sh "$tree/scripts"
find kmod docs jobs -name '*.[chS]' -o -name '*.md' -o -name '*.toml' |
    while read -r file; do install -D -m 644 "$file" "$tree/$file"; done

date=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
# Small boards unpack it too: 16 MiB of dictionary, and a checksum that busybox knows.
tar -C "$work" --sort=name --mtime="@$date" --owner=0 --group=0 --numeric-owner \
    --format=ustar -cf "$work/tar" "$name"
mkdir -p "$out"
xz --check=crc32 --threads=1 --lzma2=preset=9e,dict=16MiB --stdout "$work/tar" >"$work/xz"
mv "$work/xz" "$out/$name.tar.xz"
size=$(stat -c %s "$out/$name.tar.xz")
echo "$out/$name.tar.xz: $size bytes"
[ "$size" -le "$most" ] || { echo "portable.sh: that is over $most bytes" >&2; exit 1; }
