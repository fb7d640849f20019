#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The regression laboratory: kernels that lose one race and kernels that do not,
# from Debian's sources and the patches beside this script; and histories in which
# one commit brings a race, for git bisect to find.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: lab/lab.sh list
       lab/lab.sh pairs [--iterations N] [--out DIR] [NAME..]
       lab/lab.sh history [--guilty K] [--commits N] [--hang] NAME
       lab/lab.sh bisect [--times N] [--commits N] [--out DIR] NAME..
       lab/lab.sh repro [--iterations N] [--out DIR] NAME..
       lab/lab.sh explore [--schedules N] [--out DIR] [NAME..]
       lab/lab.sh safe [--schedules N] [--out DIR] [NUMBER..]

pairs    builds each pair of kernels (lab/pairs), runs the job on both, and prints
         how often it failed: all of 20 on the red one, none on the green one
history  makes a git history of N commits (default 16, and the first) in which
         commit K brings the race and one other does not build; prints its tags. --hang:
         a third one builds and hangs at boot
bisect   makes such a history with K drawn anew, lets `git bisect run dmarace-vm
         bisect` find the commit, and says whether it named the right one; N times
repro    writes the job's patch, script and mail (dmarace repro), puts the patch on both
         kernels, and runs the script N times in guests that have a busybox and nothing
         else; after an oops in a new one
explore  builds each pair of lab/unaided, and gives dmarace explore its acts alone: within
         30 schedules it finds the race of the red one, at a place that was predicted; on
         the green one it finds none, and where a lock was the fix that place is gone
safe     gives dmarace explore each pair of lab/safe, on Debian's own kernel: none is found

Takes Debian's linux-source of the pair's series (fetched by dmarace-vm),
build/release and build/arm64. The first kernel of a series takes minutes, all others
seconds: they differ in a few files and share one build directory. The trees are
linux-SERIES in $LAB, or in lab/ in the cache.
TEXT
}

die() {
    echo "lab.sh: $*" >&2
    exit 3
}

step() { printf '== %s (%ss)\n' "$*" "$SECONDS" >&2; }

vm=${DMARACE_BUILD:-$PWD/build/release}/vm/dmarace-vm
[ -x "$vm" ] || die "no $vm: cmake --preset release && cmake --build --preset release"
dmarace=${DMARACE_BUILD:-$PWD/build/release}/orchestrator/dmarace
patches=$PWD/lab/patches
iterations=20 times=1 commits=16 schedules=30 guilty='' hang='' out=$PWD/build/lab-$(date -u +%Y%m%d-%H%M%S)
names=()

what=${1:-}
[ $# -eq 0 ] || shift
while [ $# -gt 0 ]; do
    case $1 in
    --iterations | --times | --commits | --guilty | --schedules | --out)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        printf -v "${1#--}" %s "$2"
        shift 2
        ;;
    --hang) hang=1 && shift ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) names+=("$1") && shift ;;
    esac
done
[[ $out = /* ]] || out=$PWD/$out

pairs() { grep -v '^#' lab/pairs; }

# One pair into job, board, series, red and green.
read_pair() {
    local line
    line=$(pairs | grep -E "^$1 ") || die "no pair '$1'; there are: $(pairs | cut -d' ' -f1 | xargs)"
    read -r _ job board series red green <<<"$line"
    fresh=()
    [[ $board != *+fresh ]] || fresh=(--fresh)
    board=${board%+fresh}
}

# git in the tree, as one and the same person at one time.
git_lab() {
    GIT_AUTHOR_NAME=lab GIT_AUTHOR_EMAIL=lab@localhost GIT_AUTHOR_DATE='@0 +0000' \
        GIT_COMMITTER_NAME=lab GIT_COMMITTER_EMAIL=lab@localhost GIT_COMMITTER_DATE='@0 +0000' \
        git -C "$lab" "$@"
}

# The series' tree: the unpacked package as a git repository that knows only what
# patches touch, so that it is made and moved about in a second.
open_lab() {
    local source
    source=$("$vm" kernel source "debian:$series")
    lab=${LAB:-$(dirname "$(dirname "$(dirname "$source")")")/lab}/linux-$series
    if ! cmp -s "$source/Makefile" "$lab/Makefile"; then
        step "copying $source"
        mkdir -p "$(dirname "$lab")"
        rm -rf "$lab.part" "$lab"
        cp -a --reflink=auto "$source" "$lab.part"
        mv "$lab.part" "$lab"
    fi
    if ! git -C "$lab" rev-parse -q --verify stock:drivers/pci >/dev/null 2>&1 ||
        [ "$(git -C "$lab" rev-parse --show-toplevel)" != "$(readlink -f "$lab")" ]; then
        # One that knows less: what it has changed goes back first.
        [ ! -d "$lab/.git" ] || git_lab checkout -q -f --detach stock || true
        rm -rf "$lab/.git"
        git init -q "$lab"
        echo '*' >"$lab/.git/info/exclude"
        git_lab add -f drivers/iommu drivers/of drivers/base drivers/pci
        git_lab commit -q -m "Linux as Debian has it"
        git_lab tag stock
    fi
}

# commit PATCHES MESSAGE: on top of what is checked out
commit() {
    local patch
    for patch in ${1//,/ }; do
        [ "$patch" = - ] || git_lab apply --index "$patches/$patch.patch" || return 1
    done
    git_lab commit -q --allow-empty -m "$2"
}

build() { "$vm" kernel build "$lab"; }

# How many iterations of a run ended with one of the verdicts.
count() {
    local file=$1 verdict n sum=0
    shift
    for verdict in "$@"; do
        n=$(tr -d ' \n' <"$file" | sed -n "s/.*\"counts\":{[^}]*\"$verdict\":\([0-9]*\).*/\1/p")
        sum=$((sum + ${n:-0}))
    done
    echo "$sum"
}

# one NAME COLOUR PATCHES: builds, runs, prints a row; fails if it is not as it should be
one() {
    local name=$1 colour=$2 dir=$out/$1-$2 kernel failed passed wanted kinds
    git_lab checkout -q -f --detach stock && commit "$3" "$name, $colour: $3" ||
        die "cannot make $name, $colour, in $lab"
    step "$name, $colour"
    kernel=$(build) || die "$name, $colour, does not build"
    rm -rf "$dir"
    "$vm" run --board "$board" --kernel "$kernel" "${fresh[@]}" --out "$dir" -- \
        run "$job" --iterations "$iterations" --unsafe >"$dir.log" 2>&1 || true
    [ -e "$dir/result.json" ] || die "no result; see $dir.log"
    failed=$(count "$dir/result.json" fail crash hang)
    passed=$(count "$dir/result.json" pass)
    kinds=$(tr -d ' \n' <"$dir/result.json" | grep -o '"kind":"[^"]*"' | cut -d'"' -f4 | sort -u | xargs)
    printf '%-16s %-26s %-14s %-5s %-6s %3s failed %3s passed of %s  %s\n' "$name" "$job" "$board" \
        "$series" "$colour" "$failed" "$passed" "$iterations" "$kinds" | tee -a "$out/table.txt"
    if [ "$colour" = red ]; then wanted=$failed; else wanted=$passed; fi
    [ "$wanted" = "$iterations" ]
}

run_pairs() {
    local name bad=0
    mkdir -p "$out"
    for name in "${names[@]}"; do
        read_pair "$name"
        open_lab
        one "$name" green "$green" || bad=1
        one "$name" red "$red" || bad=1
    done
    step "results are in $out"
    return $bad
}

# What commits that bring nothing touch, in turn.
harmless=(iommu/iova.c iommu/iommu-sysfs.c iommu/io-pgtable-arm.c iommu/dma-iommu.c of/property.c
    iommu/of_iommu.c iommu/iommu-debugfs.c of/address.c iommu/io-pgtable.c of/irq.c)

# One commit that brings nothing; with a second word one that does not compile, or one that
# hangs at boot, which the next one takes back.
add_harmless() {
    local file=drivers/${harmless[$(($1 % ${#harmless[@]}))]}
    if [ "${2:-}" = hangs ]; then
        printf '/* lab-hang */\n#include <linux/init.h>\n%s\n%s\n/* lab-hang-end */\n' \
            'static int __init lab_hang(void) { for (;;) cpu_relax(); return 0; }' \
            'device_initcall(lab_hang);' >>"$lab/drivers/of/property.c"
        git_lab commit -q -a -m "drivers/of/property.c: commit $1, hangs at boot"
        return
    fi
    sed -i '/^\/\* lab-hang \*\//,/lab-hang-end/d' "$lab/drivers/of/property.c"
    git_lab grep -q '^#error lab' -- drivers && git_lab grep -l '^#error lab' -- drivers |
        while read -r broken; do sed -i '/^#error lab/d' "$lab/$broken"; done
    echo "/* lab: commit $1 */" >>"$lab/$file"
    [ -z "${2:-}" ] || echo "#error lab: this commit does not build" >>"$lab/$file"
    git_lab commit -q -a -m "$file: commit $1${2:+, does not build}"
}

# make_history NAME GUILTY: tags lab-good (the first), lab-bad (the last), lab-guilty
make_history() {
    local name=$1 at=$2 broken stuck='' i
    read_pair "$name"
    open_lab
    # Far from the guilty one, so that git need not give up between two.
    broken=$(((at + commits / 2) % commits))
    [ "$broken" -gt 1 ] && [ "$broken" -lt "$commits" ] || broken=2
    [ "$broken" != "$at" ] && [ "$((broken + 1))" != "$at" ] && [ "$broken" != "$((at - 1))" ] || broken=$((at + 3))
    # Where a search that halves meets it: first, or in the half that is left.
    if [ -n "$hang" ]; then
        for stuck in $((commits / 2)) $((at > commits / 2 ? commits * 3 / 4 : commits / 4)) $((commits / 2 + 2)) $((commits / 4 + 2)); do
            case $stuck in "$at" | "$broken" | $((at - 1)) | $((broken - 1)) | $((broken + 1)) | $((at + 1))) ;; *) break ;; esac
        done
    fi
    git_lab checkout -q -f --detach stock && commit "$green" "the first: the race is not there" ||
        die "cannot begin the history in $lab"
    git_lab tag -f lab-good >/dev/null
    for ((i = 1; i <= commits; i++)); do
        if [ "$i" = "$at" ]; then
            bring_race "$i" || die "cannot bring the race in"
            git_lab tag -f lab-guilty >/dev/null
        elif [ "$i" = "$broken" ]; then
            add_harmless "$i" broken
        elif [ "$i" = "$stuck" ]; then
            add_harmless "$i" hangs
        else
            add_harmless "$i"
        fi
    done
    git_lab tag -f lab-bad >/dev/null
}

# Takes the green patches back and puts the red ones in, in one commit.
bring_race() {
    local patch
    for patch in ${green//,/ }; do
        [ "$patch" = - ] || git_lab apply --index -R "$patches/$patch.patch" || return 1
    done
    for patch in ${red//,/ }; do
        [ "$patch" = - ] || git_lab apply --index "$patches/$patch.patch" || return 1
    done
    git_lab commit -q -m "iommu: commit $1 of the history"
}

# bisect_once NAME RUN: prints a row; fails if the wrong commit is named
bisect_once() {
    local name=$1 log=$out/bisect-$1-$2.log named right
    guilty=$((RANDOM % (commits - 1) + 2))
    make_history "$name" "$guilty"
    step "bisecting $name, run $2: commit $guilty of $commits is guilty"
    git_lab bisect reset >/dev/null 2>&1 || true
    git_lab bisect start lab-bad lab-good >/dev/null
    rm -f "$lab/.git/dmarace-bisect.json"
    (cd "$lab" && git bisect run "$vm" bisect --job "$job" --board "$board" --steps) >"$log" 2>&1 || true
    named=$(sed -n 's/ is the first bad commit$//p' "$log")
    right=$(git_lab rev-parse 'lab-guilty^{commit}')
    (cd "$lab" && "$vm" bisect --report) >>"$log" 2>&1 || true
    cp "$lab/.git/dmarace-bisect.json" "$out/bisect-$name-$2.json" 2>/dev/null || true
    git_lab bisect reset >/dev/null 2>&1 || true
    printf '%-16s run %s: commit %2s of %s guilty, %s\n' "$name" "$2" "$guilty" "$commits" \
        "$([ "$named" = "$right" ] && echo "found" || echo "NOT found; see $log")" | tee -a "$out/table.txt"
    [ "$named" = "$right" ]
}

run_bisects() {
    local name i bad=0
    mkdir -p "$out"
    for name in "${names[@]}"; do
        for ((i = 1; i <= times; i++)); do
            bisect_once "$name" "$i" || bad=1
        done
    done
    step "results are in $out"
    return $bad
}

# words KEY: the strings of a list, or of a text, in the board's file
words() {
    awk -v key="$1" '$1 == key && $2 == "=" { on = 1 }
        on { line = $0; sub(/^ *#.*/, "", line)
             while (match(line, /"[^"]*"/)) { print substr(line, RSTART + 1, RLENGTH - 2); line = substr(line, RSTART + RLENGTH) }
             if ($0 !~ /\[/ || $0 ~ /\]/) on = $0 !~ /\]/ && $1 != key }' "vm/boards/$board.toml"
}

# guest KERNEL DIR: what it boots into, and the words of its QEMU, into DIR
guest() {
    local root=$2/root release word
    rm -rf "$root" && mkdir -p "$root"/{bin,proc,sys,dev}
    cp "$(scripts/busybox.sh)" "$root/bin/busybox" && ln -s busybox "$root/bin/sh"
    release=$(cat "$1/include/config/kernel.release")
    mkdir -p "$root/lib/modules/$release"
    find "$1" -name '*.ko' -exec cp {} "$root/lib/modules/$release/" \;
    cp "$1"/modules.builtin* "$root/lib/modules/$release/"
    (cd "$root/lib/modules/$release" && ls ./*.ko >modules.order)
    /sbin/depmod -b "$root" "$release"
    cp lab/guest-init.sh "$root/init" && cp "$2/repro.sh" "$root/" && echo "$iterations" >"$root/rounds" && words load >"$root/modules"
    chmod +x "$root/init"
    (cd "$root" && find . | cpio --quiet -o -H newc) >"$2/initrd"
    {
        printf '%s\n' -machine "$(words machine)" -cpu "$(words cpu)" -smp 2 -m "$(words memory)"
        for word in $(words disks); do
            truncate -s 16M "$2/$word"
            printf '%s\n' -drive "file=$2/$word,if=none,id=$word,format=raw,snapshot=on"
        done
        words netdevs | sed 's/^/-netdev\n/'
        words devices | sed 's/^/-device\n/'
    } >"$2/qemu"
}

# boot_once DIR NUMBER: what the script found in each of its rounds, a word a line
boot_once() {
    local console=$1/console-$2 arguments code
    mapfile -t arguments <"$1/qemu"
    timeout "${BOOT_LIMIT:-900}" qemu-system-aarch64 "${arguments[@]}" -nodefaults -display none \
        -no-reboot -serial stdio -kernel "$1/Image" -initrd "$1/initrd" \
        -append "console=ttyAMA0 loglevel=5 panic=-1 $(words append | xargs)" \
        </dev/null >"$console" 2>&1 || true
    for code in $(sed -n 's/\r$//; s/^repro: exit //p' "$console") end; do
        case $code in
        0) echo quiet ;;
        1) echo shown ;;
        3) echo missed ;;
        end) grep -aq '^repro: exit' "$console" || { grep -aq 'Internal error' "$console" && echo shown || echo unclear; } ;;
        # What the race wrote into free memory may end the script as well.
        *) grep -aq 'Internal error' "$console" && echo shown || echo unclear ;;
        esac
    done
}

# repro_one NAME COLOUR PATCHES: as one(), with the sleeps and without dmarace
repro_one() {
    local name=$1 colour=$2 dir=$out/$1-$2 kernel i told=()
    local client=pci/0000:00:02.0 set=()
    ! grep -q 'bus = "amba"' "jobs/$job.toml" || client=amba/9010000.pl031
    ! grep -q '^iommu ' "jobs/$job.toml" || set=(--set "iommu=$(words load | grep iommu || words load | grep smmu)")
    git_lab checkout -q -f --detach stock && commit "$3" "$name, $colour: $3" ||
        die "cannot make $name, $colour, in $lab"
    step "$name, $colour"
    rm -rf "$dir" && mkdir -p "$dir"
    "$dmarace" repro "$job" --tree "$lab" --set "client=$client" "${set[@]}" --out "$dir" >/dev/null ||
        die "no reproducer of $job"
    git_lab apply --index "$dir/repro.patch" || die "$dir/repro.patch does not apply"
    git_lab commit -q -m "$name, $colour, with its sleeps"
    kernel=$(build 2>"$dir/build.log") || die "$name, $colour, does not build: $dir/build.log"
    cp "$kernel/arch/arm64/boot/Image" "$dir/"
    guest "$kernel" "$dir"
    for ((i = 1; i <= iterations && ${#told[@]} < iterations; i++)); do
        mapfile -t -O ${#told[@]} told < <(boot_once "$dir" "$i")
    done
    printf '%-16s %-20s %-14s %-5s %-6s of %s: %s\n' "$name" "$job" "$board" "$series" "$colour" \
        "$iterations" "$(printf '%s\n' "${told[@]}" | sort | uniq -c | xargs)" | tee -a "$out/repro.txt"
    if [ "$colour" = red ]; then
        [ "$(printf '%s\n' "${told[@]}" | grep -c shown)" -ge $((iterations - iterations / 10)) ]
    else
        [ "$(printf '%s\n' "${told[@]}" | grep -c quiet)" = "$iterations" ]
    fi
}

run_repros() {
    local name bad=0
    mkdir -p "$out"
    for name in "${names[@]}"; do
        read_pair "$name"
        open_lab
        repro_one "$name" red "$red" || bad=1
        repro_one "$name" green "$green" || bad=1
    done
    step "results are in $out"
    return $bad
}

# search_one NAME COLOUR PATCHES FIX: what dmarace explore makes of the pair's acts; fails if that
# is not as it should be. FIX: lock, where the candidate has to be gone.
search_one() {
    local name=$1 colour=$2 dir=$out/$1-$2 kernel code=0 run from=$out/$1.candidate told
    git_lab checkout -q -f --detach stock && commit "$3" "$name, $colour: $3" ||
        die "cannot make $name, $colour, in $lab"
    step "$name, $colour"
    kernel=$(build 2>"$dir.build.log") || die "$name, $colour, does not build: $dir.build.log"
    rm -rf "$dir"
    "$vm" run --board "$board" --kernel "$kernel" --out "$dir" -- explore "${acts[@]}" \
        --findings 1 --schedules "$schedules" --prove 3 >"$dir.log" 2>&1 || code=$?
    [ -e "$dir/explore.txt" ] || die "no result; see $dir.log"
    run=$(tr -d ' \n' <"$dir/explore.json" | sed -n 's/.*"findings":\[{"id":"01","run":"\([^"]*\)".*/\1/p')
    if [ "$colour" = red ]; then
        sed -n "s/^$run  .*  <- //p" "$dir/schedules.txt" | sed 's/+0x[0-9a-f]*//g' >"$from"
        told="$(sed -n '/^Finding 01/,/^$/s/^  //p' "$dir/explore.txt" | head -2 | xargs -0 echo -n | tr '\n' ' ')"
        told="$(sed -n 's/^Finding 01: //p' "$dir/explore.txt"), $told; predicted: $(cat "$from")"
        [ -n "$run" ] && [ -s "$from" ] || code=0
    else
        told="no finding in $(grep -c '^ *s[0-9]' "$dir/explore.txt") schedules"
        [ -z "$run" ] || told=$(sed -n 's/^Finding 01: /found: /p' "$dir/explore.txt")
        if [ "$4" = lock ]; then
            if sed 's/+0x[0-9a-f]*//g' "$dir/explore.json" | grep -qF "\"where\": \"$(cat "$from")\""; then
                told="$told; the candidate is still there" code=1
            else
                told="$told; the candidate is gone"
            fi
        fi
    fi
    printf '%-16s %-16s %-3s %-5s %s: %s\n' "$name" "$board" "$series" "$colour" "${acts[*]}" "$told" |
        tee -a "$out/explore.txt"
    if [ "$colour" = red ]; then [ "$code" = 1 ]; else [ "$code" = 0 ]; fi
}

run_searches() {
    local name bad=0 line fix red green
    mkdir -p "$out"
    for name in "${names[@]}"; do
        line=$(grep -E "^$name " lab/unaided) || die "no '$name' in lab/unaided"
        read -r _ board series fix red green line <<<"$line"
        read -ra acts <<<"$line"
        open_lab
        search_one "$name" red "$red" "$fix" || bad=1
        search_one "$name" green "$green" "$fix" || bad=1
    done
    step "results are in $out"
    return $bad
}

# Each pair of acts of lab/safe on Debian's own kernel: no search finds anything, and at most one
# has a candidate of the two leading ranks.
run_safe() {
    local line number=0 leading=0 bad=0 dir code ranks
    mkdir -p "$out"
    while read -r line; do
        number=$((number + 1))
        [ ${#names[@]} -eq 0 ] || [[ " ${names[*]} " = *" $number "* ]] || continue
        read -r board series line <<<"$line"
        read -ra acts <<<"$line"
        step "$number: ${acts[*]}"
        dir=$out/safe-$number code=0
        rm -rf "$dir"
        "$vm" run --board "$board" --kernel "debian:$series" --out "$dir" -- explore "${acts[@]}" \
            --schedules "$schedules" --prove 3 </dev/null >"$dir.log" 2>&1 || code=$?
        [ -e "$dir/explore.json" ] || die "no result; see $dir.log"
        ranks=$(sed -n '/"predicted"/,/^  ]/s/.*"rank": \([0-9]*\).*/\1/p' "$dir/explore.json" | sort | uniq -c |
            awk '{ printf "%s%s of rank %s", (NR > 1 ? ", " : ""), $1, $2 }')
        [[ $ranks != *"rank "[01]* ]] || leading=$((leading + 1))
        printf '%2s  %-44s %-12s %-3s exit %s after %2s schedules, predicted: %s\n' "$number" "${acts[*]}" \
            "$board" "$series" "$code" "$(grep -c '^ *s[0-9]' "$dir/explore.txt")" "${ranks:-none}" |
            tee -a "$out/safe.txt"
        [ "$code" = 0 ] || bad=1
    done < <(grep -v '^#' lab/safe)
    step "$leading with a candidate of the two leading ranks; results are in $out"
    [ "$bad" = 0 ] && [ "$leading" -le 1 ]
}

case $what in
list)
    cat lab/pairs lab/unaided lab/safe
    ;;
pairs)
    [ ${#names[@]} -gt 0 ] || mapfile -t names < <(pairs | cut -d' ' -f1)
    run_pairs
    ;;
history)
    [ ${#names[@]} -eq 1 ] || { usage >&2; exit 2; }
    make_history "${names[0]}" "${guilty:-$((commits / 2 + 1))}"
    echo "$lab: lab-good lab-guilty lab-bad"
    ;;
bisect)
    [ ${#names[@]} -gt 0 ] || { usage >&2; exit 2; }
    run_bisects
    ;;
repro)
    [ ${#names[@]} -gt 0 ] || { usage >&2; exit 2; }
    run_repros
    ;;
explore)
    [ ${#names[@]} -gt 0 ] || mapfile -t names < <(grep -v '^#' lab/unaided | cut -d' ' -f1)
    run_searches
    ;;
safe) run_safe ;;
-h | --help) usage ;;
*) usage >&2 && exit 2 ;;
esac
