#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tests of the board with a disk, inside it: disk.sh PART WORD..
# Each check is one line, "ok NAME" or "not ok NAME", which the test looks for.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
failed=0

# check NAME COMMAND.. : the command has to succeed.
check() {
    name=$1
    shift
    if "$@" >/tmp/check.out 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name: $*"
        sed 's/^/#   /' /tmp/check.out
        failed=1
    fi
}

# until_true SECONDS COMMAND.. : tries it until it succeeds.
until_true() {
    tries=$(($1 * 5))
    shift
    while [ $tries -gt 0 ]; do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.2
        tries=$((tries - 1))
    done
    return 1
}

says() { # says FILE TEXT
    grep -qF -- "$2" "$1"
}

none() { # none COMMAND.. : the command has to fail
    ! "$@"
}

client=0000:00:02.0
root=0000:00:03.0

# dmaraced and the rules file under real systemd and udev, in one boot:
#   QUIET.toml HELD.toml TRIGGERED.toml FAILING.toml
test_systemd() {
    quiet=$1 held=$2 triggered=$3 failing=$4

    active() { systemctl is-active -q dmaraced; }
    driver() { basename "$(readlink /sys/bus/pci/devices/$client/driver)"; }
    bound() { [ "$(driver)" = e1000e ]; }
    done_has() { dmarace queue list | grep -q "^done.*$1"; }
    count_done() { dmarace queue list | grep -c "^done.*$1"; }
    until_true 60 bound

    # By udev, though nobody has enabled it.
    check "dmaraced is not running before the module is loaded" none active
    modprobe dmarace
    check "dmaraced is started by udev when the module is loaded" until_true 30 active
    check "the control device is root's alone" [ "$(stat -c %a%u%g /dev/dmarace)" = 60000 ]
    systemd-analyze security --no-pager dmaraced.service 2>/dev/null |
        sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/security score \1/p'

    # A job of root's own, from where root keeps such things.
    mkdir -p /root/jobs && cp "$quiet" /root/jobs/quiet.toml
    dmarace queue add /root/jobs/quiet.toml
    check "a job in root's home is run" until_true 60 done_has quiet
    passed() { journalctl -q -u dmaraced DMARACE_EXIT=0 -o cat | grep -q pass; }
    check "it passes" until_true 10 passed
    journalctl -q -u dmaraced -o cat | sed 's/^/# /'

    # SIGTERM in a hold. systemd kills after 5 s, and then the result is "timeout".
    dmarace queue add "$held" --unsafe
    is_held() { cat /sys/module/dmarace/refcnt | grep -qv '^[01]$' && journalctl -q -k | grep -q "iter=1 begin"; }
    check "a task is held" until_true 60 is_held
    sleep 1
    systemctl stop dmaraced
    check "SIGTERM in a hold ends it in its 5 s" [ "$(systemctl show -P Result dmaraced)" = success ]
    check "nobody runs any more" none pgrep -x dmarace
    dmarace restore
    check "what the run changed is restored" until_true 20 bound
    check "the module can be unloaded: nothing is held" modprobe -r dmarace
    for entry in $(dmarace queue list | awk '$1 == "run" || $1 == "new" { print $2 }'); do
        rm -f /var/spool/dmarace/run/$entry /var/spool/dmarace/new/$entry
    done

    # A trigger: the client's driver is bound.
    modprobe dmarace
    until_true 30 active
    cp "$triggered" /var/spool/dmarace/new/triggered.toml
    waits() { dmarace queue list | grep -q '^trigger.*triggered'; }
    check "a job with a trigger waits" until_true 20 waits
    check "and has not been run" [ "$(count_done triggered)" = 0 ]
    echo $client >/sys/bus/pci/drivers/e1000e/unbind
    echo $client >/sys/bus/pci/drivers/e1000e/bind
    check "the event starts it" until_true 90 done_has triggered
    sleep 5
    check "what it did itself starts nothing" [ "$(count_done triggered)" = 1 ]
    check "the trigger waits for the next one" waits
    dmarace queue list | sed 's/^/# /'
    dmarace queue cancel triggered.toml
    check "it can be cancelled" none waits

    # Failures as events that any client of libudev reads.
    stdbuf -oL udevadm monitor --udev --property --subsystem-match=misc >/tmp/events 2>&1 &
    monitor=$!
    until_true 10 says /tmp/events UDEV
    dmarace run "$failing" --out /tmp/failing >/dev/null 2>&1
    check "a failure is an event of udev's" until_true 10 says /tmp/events DMARACE_KIND=no-group
    check "it names the device" says /tmp/events DMARACE_DEVICE=platform/dmarace-sim-client.0
    kill $monitor

    # Quarantine: the device comes, its driver's module does not.
    remove_client() {
        echo 1 >/sys/bus/pci/devices/$client/remove
        modprobe -r e1000e
        udevadm settle
    }
    comes() {
        echo 1 >/sys/bus/pci/rescan
        udevadm settle
        [ -e /sys/bus/pci/devices/$client ]
    }
    loaded() { [ -e /sys/module/e1000e ]; }
    mkdir -p /run/dmarace/quarantine
    touch /run/dmarace/quarantine/$client
    remove_client
    check "a device in quarantine comes" comes
    check "its module does not" none loaded
    rm /run/dmarace/quarantine/$client
    remove_client
    check "without quarantine it comes" comes
    check "with its module" until_true 20 loaded
}

# A queue of three jobs over the boots that they take: the second one wants a
# boot between its iterations, the third one panics.
#   QUIET.toml FRESH.toml PANIC.toml
test_queue() {
    over() { [ "$(dmarace queue list | grep -c '^done')" = 3 ]; }
    verdicts() { sed -n 's/.*"t":"verdict".*"verdict":"\([a-z]*\)".*/\1/p' /var/lib/dmarace/*"$1"*/journal.jsonl | tr '\n' ' '; }
    journal_order() { sed -n 's/.*"iteration":\([0-9]*\).*"t":"verdict".*/\1/p;t;s/.*"t":"verdict".*"iteration":\([0-9]*\).*/\1/p' /var/lib/dmarace/*"$1"*/journal.jsonl | tr '\n' ' '; }

    if [ "$DMARACE_BOOT" = 1 ]; then
        # Who boots the machine is the board's own choice.
        mkdir -p /etc/systemd/system/dmaraced.service.d
        printf '[Service]\nExecStart=\nExecStart=/usr/sbin/dmaraced --reboot /usr/sbin/reboot\n' \
            >/etc/systemd/system/dmaraced.service.d/reboot.conf
        systemctl daemon-reload
        # Only udev starts it: nobody enables the unit, the module is loaded at boot.
        echo dmarace >/etc/modules-load.d/dmarace.conf
        mkdir -p /root/jobs && cp "$@" /root/jobs
        dmarace queue add /root/jobs/test-quiet.toml
        dmarace queue add /root/jobs/test-fresh.toml --unsafe -n 3
        dmarace queue add /root/jobs/test-panic.toml --unsafe -n 1
        sync
        modprobe dmarace
    fi
    echo "# boot $DMARACE_BOOT"
    until_true 300 over || { dmarace queue list; journalctl -q -b -u dmaraced -o short-monotonic; }
    journalctl -q -u dmaraced -o cat | sed 's/^/# /'
    check "three jobs have ended" over
    check "the quiet one has all its iterations" [ "$(verdicts quiet)" = "pass pass " ]
    check "the one with boots too" [ "$(verdicts fresh)" = "pass pass pass " ]
    check "none of them twice" [ "$(journal_order fresh)" = "1 2 3 " ]
    check "the panic is its iteration's verdict" [ "$(verdicts panic)" = "crash " ]
    check "nothing is left to run" [ -z "$(ls /var/spool/dmarace/new /var/spool/dmarace/run | grep toml)" ]
}

# No job of the library touches the disk that the machine runs from: ROOT-TYPE.toml
test_guard() {
    ask guarded-disk /usr/sbin/dmarace - pci/$root "mounted on /"
    code=$?
    [ $code = 0 ] || failed=1
    refused() {
        dmarace run "$1" --device pci/$root --out /tmp/refused 2>&1 | tee /tmp/said
        says /tmp/said "mounted on /" && [ ! -e /tmp/refused/journal.jsonl ]
    }
    check "a run that names the root disk is refused before anything is done" refused "$1"
    # Its driver is bound: the kernel answers EPERM, and that it was asked is what counts.
    tries() {
        dmarace run "$1" --device pci/$root --i-know pci/$root --out /tmp/known
        cat /tmp/known/journal.jsonl
        grep '"t":"step"' /tmp/known/journal.jsonl | grep -q "$root"
    }
    check "with --i-know it tries" tries "$1"
}

# A campaign whose iterations are boots, gone on with by its own unit:
#   JOB ITERATIONS [dracut]
# dracut: update-initramfs is put out of the way, and dracut makes the initramfs.
test_boots() {
    out=/var/lib/dmarace/boots dracut=${3:-}
    traces() {
        ls /var/lib/dmarace/boot.conf /var/lib/dmarace/reboot.json \
            /etc/systemd/system/multi-user.target.wants/dmarace-reboot.service 2>/dev/null
        # This dracut takes every module there is, loaded or not (hostonly=no).
        lsinitramfs /boot/initrd.img-$(uname -r) | grep dmarace |
            grep -v "scripts/init-top/dmarace${dracut:+\|updates/dmarace}"
    }
    has_file() { lsinitramfs "/boot/initrd.img-$(uname -r)" | grep -q "$1"; }
    over() { grep -q '"t":"end".*"why":"\(done\|skip\|error\|stopped\|interrupted\)\|"why":"\(done\|skip\|error\|stopped\|interrupted\).*"t":"end"' $out/journal.jsonl && ! systemctl -q is-active dmarace-reboot; }

    if [ "$DMARACE_BOOT" = 1 ]; then
        # As this machine makes it: the board's root was made by another one.
        if [ -n "$dracut" ]; then
            mv /usr/sbin/update-initramfs /usr/sbin/update-initramfs.away
            dracut --force --kver "$(uname -r)" >/var/lib/dracut.log 2>&1 || tail -5 /var/lib/dracut.log
            check "dracut's initramfs has the root's driver" has_file nvme.ko
        else
            update-initramfs -u -k "$(uname -r)" >/dev/null 2>&1
        fi
        lsinitramfs /boot/initrd.img-$(uname -r) | sort >/var/lib/initramfs-before
        check "there is no trace before" [ -z "$(traces)" ]
        dmarace run "$1" --reboot -n "$2" --out $out
        code=$?
        echo "# dmarace run ended with $code"
        # The machine boots now, and this is ended with it.
        [ -e $out/journal.jsonl ] && ! over && sleep 120
    fi
    until_true 240 over
    journalctl -q -b -u dmarace-reboot -o cat | sed 's/^/# /'
    dmarace report $out 2>/dev/null | sed 's/^/# /'
    check "the campaign has come to its end" over
    check "there is no trace after" [ -z "$(traces)" ]
    traces | sed 's/^/# left: /'
    same() { lsinitramfs /boot/initrd.img-$(uname -r) | sort | diff /var/lib/initramfs-before -; }
    check "the initramfs holds what it held" same
    cp $out/* /run/out/
}

part=$1
shift
case $part in
systemd) test_systemd "$@" ;;
queue) test_queue "$@" ;;
guard) test_guard "$@" ;;
boots) test_boots "$@" ;;
*) check "there is a part $part" false ;;
esac
exit $failed
