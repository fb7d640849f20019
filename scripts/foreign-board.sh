#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A QEMU that behaves as hardware on a desk: all that is known of it is a console on a socket,
# a switch, an ssh port, and a place where its boot loader looks for a kernel.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
self=$here/scripts/foreign-board.sh

usage() {
    cat <<'TEXT'
usage: scripts/foreign-board.sh make DIR     a board that is off, and DIR/board.toml, its board
                                             file; DIR/console.toml is the same without ssh
       scripts/foreign-board.sh on|off|cycle DIR
       scripts/foreign-board.sh console DIR  stdin and stdout are its console
       scripts/foreign-board.sh deploy DIR KERNEL MODULES
       scripts/foreign-board.sh campaign DIR [KERNEL]   10 panics, 5 hangs, 5 silent resets
       scripts/foreign-board.sh test         one of each, on a board of its own
       scripts/foreign-board.sh bisect DIR [TIMES]      16 commits; one is guilty, one does not
                                                        build, one hangs at boot

The board is arm64 with an SMMUv3, e1000e, nvme and a watchdog; its network card is outside the
IOMMU. It boots busybox and dropbear from memory: what is written there is gone after a reset.
Takes scripts/setup.sh, build/release (or $DMARACE_BUILD) and build/arm64. campaign needs a
kernel with virtio_mmio, virtio_net and i6300esb (debian:6.12, the default).
TEXT
}

die() {
    echo "foreign-board.sh: $*" >&2
    exit 3
}

build=${DMARACE_BUILD:-$here/build/release}
board() { "$build/vm/dmarace-board" "$@"; }

# The files of some Debian packages, unpacked.
unpack() {
    local root=$1 package
    shift
    board kernels >/dev/null # makes the private apt root
    export APT_CONFIG=${DMARACE_CACHE:-/var/cache/dmarace}/apt/apt.conf
    mkdir -p "$root.debs"
    (cd "$root.debs" && apt-get -q download "$@" >/dev/null) || die "cannot download $*"
    for package in "$root.debs"/*.deb; do dpkg -x "$package" "$root"; done
    rm -rf "$root.debs"
}

write_init() {
    cat >"$1/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /usr/bin /usr/sbin
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts
mount -t devpts pts /dev/pts
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -t debugfs debug /sys/kernel/debug 2>/dev/null
for module in virtio_mmio virtio_net arm_smmu_v3 e1000e nvme; do modprobe -q $module 2>/dev/null; done
for i in 1 2 3 4 5 6 7 8 9 10; do
    for card in /sys/class/net/*; do
        case $(readlink -f $card/device) in *virtio*) card=${card##*/} && break 2 ;; esac
    done
    sleep 0.3
done
ifconfig lo 127.0.0.1
ifconfig $card 10.0.2.15 netmask 255.255.255.0
dropbear -R -s
while :; do setsid getty -L ttyAMA0 115200 vt100; sleep 1; done
INIT
    chmod +x "$1/init"
}

make_board() {
    local dir=$1 root=$1/root port
    mkdir -p "$dir/flash"
    rm -rf "$root"
    unpack "$root" busybox-static:arm64/bookworm dropbear-bin:arm64/bookworm \
        libtomcrypt1:arm64/bookworm libtommath1:arm64/bookworm libcrypt1:arm64/bookworm \
        zlib1g:arm64/bookworm libgmp10:arm64/bookworm libc6:arm64/bookworm
    rm -rf "$root/usr/share" "$root"/usr/lib/*/gconv "$root"/lib/*/gconv
    mkdir -p "$root/root/.ssh" "$root/etc/dropbear"
    write_init "$root"
    echo 'root:$1$board$LvfcktcggJmSWR5QiG5R0/:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    echo /bin/sh >"$root/etc/shells"
    rm -f "$dir/key"
    ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
    cp "$dir/key.pub" "$root/root/.ssh/authorized_keys"
    chmod -R go= "$root/root"
    (cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$dir/flash/root"
    port=$((20000 + RANDOM % 20000))
    echo $port >"$dir/port"
    write_board_files "$dir" "$port"
    echo "$dir/board.toml"
}

write_board_files() {
    local dir=$1 port=$2
    cat >"$dir/console.toml" <<TOML
name    = "foreign"
summary = "a QEMU that behaves as hardware on a desk"

[hardware]
arch           = "arm64"
console        = ["$self", "console", "$dir"]
login          = "root"
password       = "board"
power_off      = ["$self", "off", "$dir"]
power_on       = ["$self", "on", "$dir"]
deploy         = ["$self", "deploy", "$dir", "{kernel}", "{modules}"]
deploy_modules = ["virtio_mmio", "virtio_net", "arm_smmu_v3", "e1000e", "nvme", "i6300esb"]
boot_timeout   = "90s"
silence        = "30s"
TOML
    cp "$dir/console.toml" "$dir/board.toml"
    cat >>"$dir/board.toml" <<TOML
ssh            = """-i $dir/key -p $port -o StrictHostKeyChecking=no \\
                    -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@127.0.0.1"""
TOML
}

switch_off() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) || return 0
    # Only ever the QEMU of this directory.
    if grep -qs "$1/console.sock" "/proc/$pid/cmdline"; then
        kill -9 "$pid"
        while grep -qs "$1/console.sock" "/proc/$pid/cmdline"; do sleep 0.05; done
    fi
    rm -f "$1/pid" "$1/console.sock"
}

switch_on() {
    local dir=$1
    [ -e "$dir/flash/kernel" ] || die "$dir has no kernel yet: deploy one"
    switch_off "$dir"
    # It outlives its caller, whose locks are none of its business.
    (
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            [ "$fd" -le 2 ] || eval "exec $fd>&-" 2>/dev/null || true
        done
        exec qemu-system-aarch64 -nodefaults -no-user-config -display none -daemonize -pidfile "$dir/pid" \
            -machine virt,iommu=smmuv3,gic-version=3 -cpu cortex-a72 -smp 2 -m 1G \
            -accel tcg,thread=multi -action watchdog=reset \
            -chardev "socket,id=console,path=$dir/console.sock,server=on,wait=off" \
            -serial chardev:console -kernel "$dir/flash/kernel" -initrd "$dir/flash/initrd" \
            -append "console=ttyAMA0 deferred_probe_timeout=-1 ${FOREIGN_APPEND:-}" \
            -netdev "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:$(cat "$dir/port")-10.0.2.15:22" \
            -device virtio-net-device,netdev=net0 \
            -device e1000e,addr=02.0 -blockdev null-co,node-name=d0,size=67108864,read-zeroes=on \
            -device nvme,serial=d0,drive=d0,addr=03.0 -device i6300esb,addr=04.0
    )
}

# As ser2net: it stays while the board goes off and on.
serve_console() {
    while :; do
        if [ -S "$1/console.sock" ]; then
            socat -b65536 - "UNIX-CONNECT:$1/console.sock" 2>/dev/null || true
        fi
        sleep 0.1
    done
}

# The boot loader's kernel, and one initramfs with its modules behind the system.
deploy() {
    local dir=$1 kernel=$2 modules=$3
    cp "$kernel" "$dir/flash/kernel.new"
    {
        cat "$dir/flash/root"
        (cd "$modules" && find . | cpio -o -H newc -R 0:0 --quiet)
    } >"$dir/flash/initrd"
    mv "$dir/flash/kernel.new" "$dir/flash/kernel"
}

# job FILE NAME ITERATIONS SUMMARY STEPS
write_job() {
    cat >"$1/$2.toml" <<TOML
name       = "$2"
summary    = "$4"
risk       = "reboot"
iterations = $3
actor      = [{ name = "a", steps = [$5] }]
expect     = { dma = "as-type" }
TOML
}

# expect DIR JOB VERDICT NUMBER: as many as that, and no other
expect() {
    local counts
    counts=$(tr -d ' \n' <"$1/$2/result.json" | grep -o '"counts":{[^}]*}')
    echo "$2: $counts"
    [[ $counts == *"\"$3\":$4"[,}]* ]] && [ $(($(grep -o '[0-9]*' <<<"$counts" | paste -sd+))) = "$4" ] ||
        die "$2: $4 times $3 were to be there, and nothing else"
}

# A kernel that panics, one that stops, and a board that is reset without a word by a watchdog
# that nobody feeds.
campaign() {
    local dir=$1 kernel=${2:-debian:6.12} out=$1/campaign ended=0
    write_job "$dir" panic "${PANICS:-10}" "The machine panics" '"write /proc/sysrq-trigger c"'
    write_job "$dir" stop "${HANGS:-5}" "The machine stops" '"write /sys/power/state freeze"'
    write_job "$dir" reset "${RESETS:-5}" "The machine is reset, and nobody says so" \
        '"insmod i6300esb heartbeat=2", "write /dev/watchdog x", "sleep 30s"'
    rm -rf "$out"
    board run --board "${BOARD_FILE:-$dir/board.toml}" --kernel "$kernel" --out "$out" -- \
        run "$dir/panic.toml" "$dir/stop.toml" "$dir/reset.toml" --unsafe --crash-limit none || ended=$?
    echo "exit code $ended; boots: $(grep -o '"outcome": "[a-z-]*"' "$out/vm.json" | sort | uniq -c | xargs)"
    expect "$out" panic crash "${PANICS:-10}"
    expect "$out" stop hang "${HANGS:-5}"
    expect "$out" reset crash "${RESETS:-5}"
}

# A history in which one commit brings the race of instance-lookup, and git to look for it.
bisect_once() {
    local dir=$1 run=$2 guilty=$((RANDOM % 15 + 2)) lab named right log=$1/bisect-$2.log
    lab=$(LAB=${LAB:-$dir/lab} DMARACE_BUILD=$build "$here/lab/lab.sh" history --hang \
        --guilty $guilty lookup-smmu | sed 's/: .*//')
    git -C "$lab" bisect reset >/dev/null 2>&1 || true
    git -C "$lab" bisect start lab-bad lab-good >/dev/null
    rm -f "$lab/.git/dmarace-bisect.json"
    (cd "$lab" && git bisect run "$build/vm/dmarace-board" bisect --job instance-lookup \
        --board "$dir/board.toml" --config "$here/vm/configs/network.config" --steps \
        -- --unsafe) >"$log" 2>&1 || true
    named=$(sed -n 's/ is the first bad commit$//p' "$log")
    right=$(git -C "$lab" rev-parse 'lab-guilty^{commit}')
    (cd "$lab" && board bisect --report) | tee -a "$log"
    git -C "$lab" bisect reset >/dev/null 2>&1 || true
    [ "$named" = "$right" ] || die "run $run: commit $guilty is guilty, and was not named: see $log"
    ! grep 'hangs at boot: skipped' "$log" | grep -qv ': does not boot: hang' ||
        die "run $run: the commit that hangs at boot was to do that: see $log"
    echo "run $run: commit $guilty of 16 is guilty, and was named"
}

bisect() {
    local i
    for ((i = 1; i <= ${2:-3}; i++)); do bisect_once "$1" $i; done
}

if [ "${1:-}" = test ]; then
    dir=$(mktemp -d)
    trap 'switch_off "$dir"; rm -rf "$dir"' EXIT
    make_board "$dir"
    PANICS=1 HANGS=1 RESETS=1 campaign "$dir" debian:6.12
    exit 0
fi
[ $# -ge 2 ] || { usage; [ "${1:-}" = --help ] && exit 0 || exit 2; }
what=$1 dir=$(realpath -m "$2")
case $what in
make) make_board "$dir" ;;
on) switch_on "$dir" ;;
off) switch_off "$dir" ;;
cycle) switch_on "$dir" ;;
console) serve_console "$dir" ;;
campaign) campaign "$dir" "${3:-}" ;;
bisect) bisect "$dir" "${3:-}" ;;
deploy) [ $# -eq 4 ] || { usage >&2; exit 2; }; deploy "$dir" "$3" "$4" ;;
*) usage >&2 && exit 2 ;;
esac
