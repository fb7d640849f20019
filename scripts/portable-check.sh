#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs the portable archive where nothing else is: a virtual board of busybox alone.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/portable-check.sh [--kernel K] [--board B] [--job J] [--iterations N]
                                 [--archive FILE] [--module FILE] [--red|--green]
                                 [--out DIR]

Unpacks the portable archive on an arm64 board whose root is read-only and holds a static
busybox, the kernel's modules without depmod's index, the archive and a dmarace.ko that is
in no module tree. There doctor, audit and the job are run, results go to a tmpfs by
DMARACE_OUT. --red: every iteration has to fail, --green: to pass.
  --kernel K      default debian:6.12      --board B       default virtio-iommu
  --job J         default instance-lookup  --iterations N  default 20
  --archive FILE  a dmarace-VERSION-arm64.tar.xz [that of build/arm64, made anew]
  --module FILE   a dmarace.ko for that kernel [as dmarace-vm builds it]
  --out DIR       keeps the run and the console [a temporary directory]
Exit 0: all of it was so.
TEXT
}

kernel=debian:6.12 board=virtio-iommu job=instance-lookup iterations=20 archive='' module='' out='' want=
while [ $# -gt 0 ]; do
    case $1 in
    --kernel | --board | --job | --iterations | --archive | --module | --out)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        printf -v "${1#--}" %s "$2"
        shift 2
        ;;
    --red | --green) want=${1#--} && shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done
for vm in "${DMARACE_VM_PROGRAM:-build/dev/vm/dmarace-vm}" build/release/vm/dmarace-vm; do
    [ ! -x "$vm" ] || break
done
[ -x "$vm" ] || { echo "portable-check.sh: no dmarace-vm; scripts/test.sh vm builds it" >&2; exit 3; }
if [ -z "$archive" ]; then
    cmake --build build/arm64 --target portable >&2
    archive=$(ls -t build/arm64/dmarace-*-arm64.tar.xz | head -n 1)
fi

busybox=$(scripts/busybox.sh)
if [ -z "$out" ]; then
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
fi
mkdir -p "$out"
cp "$archive" "$out/archive.tar.xz"
[ -n "$module" ] || module=$("$vm" build --kernel "$kernel")
cp "$module" "$out/dmarace.ko"
cat >"$out/check.sh" <<'TEXT'
set -u
export PATH=/bin
unset DMARACE_JOBS
/usr/bin/busybox mkdir -p /bin /opt
/usr/bin/busybox --install -s /bin
share=/run/out
say() { echo "portable-check: $*"; }
# Nothing that the archive does not bring: no job, no index, no module of ours.
rm -rf /usr/share /lib/modules/*/updates /lib/modules/*/modules.* /lib/aarch64-linux-gnu /etc/ld.so*
tar xJf $share/archive.tar.xz -C /opt || exit 3
cp $share/dmarace.ko /opt/vendor.ko
umount /sys/kernel/security /sys/kernel/tracing 2>/dev/null
mount -o remount,ro / || exit 3
dmarace=$(echo /opt/dmarace-*/dmarace)
worst=0
# expect CODE WHAT WORD..
expect() {
    want=$1 what=$2 code=0
    shift 2
    "$@" >/tmp/said 2>&1 || code=$?
    cat /tmp/said
    [ "$code" = "$want" ] && return
    say "$what ended with $code, not $want"
    worst=1
}
cd /
touch /written 2>/dev/null && say "the root can be written" && worst=1
find / -xdev -name '*.so*' | grep -v ^/opt/ && say "there is a library" && worst=1
expect 3 "a run that has nowhere to go" "$dmarace" run "$1" --module /opt/vendor.ko
grep -q DMARACE_OUT /tmp/said || { say "no remedy was named"; worst=1; }
grep -q ^dmarace /proc/modules && say "something was begun" && worst=1
expect 3 "doctor without a module" "$dmarace" doctor
grep -q -- --module /tmp/said || { say "--module was not named"; worst=1; }
export DMARACE_OUT=/tmp/runs
expect 0 doctor "$dmarace" doctor --module /opt/vendor.ko
expect 0 audit "$dmarace" audit
rmmod dmarace
expect 0 "audit with the module" "$dmarace" audit --module /opt/vendor.ko
rmmod dmarace
DMARACE_MODULE=/opt/vendor.ko "$dmarace" run "$1" --iterations "$2"
code=$?
cp /tmp/runs/dmarace-"$1"-*/result.json $share/result.json || worst=1
[ $worst = 0 ] || exit 3
exit $code
TEXT

code=0
"$vm" run --board "$board" --kernel "$kernel" --out "$out" --program "$busybox" -- \
    sh /run/out/check.sh "$job" "$iterations" || code=$?
counts=$(tr -d ' \n' 2>/dev/null <"$out/result.json" | grep -o '"counts":{[^}]*}') || true
echo "portable-check.sh: $job on $kernel: exit code $code, $counts"
[ "$code" -le 1 ] || exit 1
case $want in
red) grep -q "\"fail\":$iterations[,}]" <<<"$counts" ;;
green) [ "$code" = 0 ] && grep -q "\"pass\":$iterations[,}]" <<<"$counts" ;;
esac
