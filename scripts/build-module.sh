#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds dmarace.ko for a kernel that somebody else built: from its build tree or
# headers, or from a source of the same version with the board's configuration
# and the symbol CRCs of its modules.
set -euo pipefail
export LC_ALL=C
name=${0##*/}

usage() {
    cat <<'TEXT'
usage: scripts/build-module.sh [options] KERNEL_TREE [LLVM=1] [CROSS_COMPILE=..] [ARCH=..] [O=..]
       scripts/build-module.sh --check --config FILE
       scripts/build-module.sh --crcs --module FILE

Builds dmarace.ko for a kernel, out of tree: nothing is written into KERNEL_TREE, nor where
this script lies. KERNEL_TREE is
  - what the kernel was built in, or its source with O=DIR for that, or its headers (on the
    board itself: /lib/modules/$(uname -r)/build), or
  - no more than a source of the same version. Then the board says the rest:
      --config FILE   its /proc/config.gz, or that unpacked, or /boot/config-RELEASE
      --module FILE   one of its modules (.ko, .ko.xz, .ko.zst, .ko.gz), or a directory of
                      them; repeatable. The release and the CRCs of symbols are read from
                      it; take /lib/modules/RELEASE, since CRCs that none has are computed
What this kernel lacks is said by name, with what to do, before anything is built.

  --out DIR         where the modules go [.]
  --check           only say what is lacking in the configuration of --config
  --crcs            only print the symbol CRCs of --module, as Module.symvers has them
  --key PEM --cert CRT  sign the modules: for a kernel that takes no others
  --work DIR        where to work, and keep it [a temporary directory]
  --force           go on although source and board differ in version or options
  -h, --help

  scripts/build-module.sh /lib/modules/$(uname -r)/build
  scripts/build-module.sh ~/android/out/kernel LLVM=1 ARCH=arm64
  scripts/build-module.sh ~/linux-6.12 CROSS_COMPILE=aarch64-linux-gnu- \
      --config config.gz --module lib/modules/6.12.30-vendor/

Other words with a "=" go to make (CC=clang-19, LLVM=-19). Exit codes: 0 built, 2 wrong words
or files, 3 something is missing on this machine, 4 this kernel cannot have the module.
TEXT
}

say() { echo "$name: $*" >&2; }
die() { # CODE WORDS
    local code=$1
    shift
    say "$*"
    exit "$code"
}

# --- what the board gave -------------------------------------------------------------

# unpacked FILE: its bytes, decompressed as its first ones say
unpacked() {
    case $(od -An -N6 -tx1 "$1" | tr -d ' \n') in
    1f8b*) gzip -dc <"$1" ;;
    fd377a585a00) xz -dc <"$1" ;;
    28b52ffd*) zstd -qdc <"$1" ;;
    *) cat "$1" ;;
    esac
}

read_config() { # FILE TO
    [ -r "$1" ] || die 2 "--config $1: cannot be read"
    unpacked "$1" >"$2" 2>/dev/null || die 2 "--config $1: cannot be unpacked"
    grep -q '^CONFIG_[A-Z0-9_]*=' "$2" ||
        die 2 "--config $1 is no kernel configuration: it takes /proc/config.gz (modprobe configs), or /boot/config-RELEASE"
}

on() { grep -qxE "CONFIG_$1=[ym]" "$config"; }
value() { sed -n "s/^CONFIG_$1=//p" "$config" | tr -d '"'; }
# The version in "# Linux/arm64 6.12.118 Kernel Configuration".
config_version() { sed -n 's,^# Linux/[^ ]* \([^ ]*\) Kernel Configuration$,\1,p' "$config"; }

# section MODULE NAME: the bytes of an ELF section, none if there is none
section() {
    rm -f "$work/section"
    "$objcopy" -O binary --only-section="$2" --set-section-flags "$2=alloc" "$1" "$work/section" 2>/dev/null ||
        return 1
    [ ! -e "$work/section" ] || cat "$work/section"
}

# Lines "0xCRC NAME" of struct modversion_info { u64 crc; char name[56]; }, or of
# the two sections that CONFIG_EXTENDED_MODVERSIONS makes of it.
versions() { # MODULE
    section "$1" __versions | od -An -v -w64 -tx1 | awk '
        BEGIN { for (i = 32; i < 127; i++) text[sprintf("%02x", i)] = sprintf("%c", i) }
        NF == 64 {
            name = ""
            for (i = 9; i <= 64 && $i != "00"; i++) name = name text[$i]
            if (name != "") print "0x" $4 $3 $2 $1, name
        }'
    [ ! -s "$work/section" ] || return 0
    section "$1" __version_ext_crcs | od -An -v -w4 -tx4 | sed 's/^ */0x/' >"$work/ext"
    section "$1" __version_ext_names | tr '\0' '\n' | paste -d' ' "$work/ext" - | grep -E '^0x.{8} .' || true
}

modinfo_of() { { section "$1" .modinfo || true; } | tr '\0' '\n' | sed -n "s/^$2=//p"; } # MODULE KEY

read_module() { # FILE
    local plain=$work/module.ko theirs
    unpacked "$1" >"$plain" 2>/dev/null || die 2 "--module $1: cannot be unpacked"
    theirs=$(modinfo_of "$plain" vermagic)
    [ -n "$theirs" ] || die 2 "--module $1 is no kernel module that $objcopy can read"
    [ "${magic:=$theirs}" = "$theirs" ] ||
        die 2 "--module $1 is for '$theirs', and one before it for '$magic': give those of one kernel"
    versions "$plain" >>"$work/crcs"
}

# All that --module names into $work/unread, and the first of it read: it tells the
# release. There may be thousands.
find_modules() {
    local given first
    for given in "${modules[@]}"; do
        [ -e "$given" ] || die 2 "--module $given: there is no such file"
        find -L "$given" -type f \( -path "$given" -o \( -name '*.ko' -o -name '*.ko.*' \) ! -name 'dmarace*' \) | sort
    done >"$work/unread"
    first=$(head -n 1 "$work/unread")
    [ -n "$first" ] || die 2 "--module ${modules[*]}: there is no module in it"
    : >"$work/crcs"
    read_module "$first"
    sed -i 1d "$work/unread"
    release=${magic%% *}
}

# Reads on until each of the symbols has a CRC, or there is nothing left to read.
read_modules() { # SYMBOL..
    local file count=0
    printf '%s\n' "$@" | sort -u >"$work/wanted"
    while IFS= read -r file && [ -n "$(unknown)" ]; do
        read_module "$file"
        count=$((count + 1))
        [ $((count % 200)) != 0 ] || say "  $count modules read, still without a CRC: $(unknown | wc -l)"
    done <"$work/unread"
    sort -u -k2,2 -o "$work/crcs" "$work/crcs"
}
unknown() { comm -23 "$work/wanted" <(cut -d' ' -f2 "$work/crcs" | sort -u); }

# --- what is lacking ------------------------------------------------------------------

faults=0
lacks() { # WHAT REMEDY
    say "this kernel $1"
    echo "    $2" >&2
    faults=$((faults + 1))
}

rebuild="it must be built with"
check_config() {
    on MODULES || lacks "takes no modules (CONFIG_MODULES)" "$rebuild CONFIG_MODULES=y and CONFIG_MODULE_UNLOAD=y"
    on KPROBES || lacks "has no CONFIG_KPROBES: threads are held at kprobes" "$rebuild CONFIG_KPROBES=y"
    on STACKTRACE || lacks "has no CONFIG_STACKTRACE: from= asks who called" \
        "$rebuild CONFIG_STACKTRACE=y (CONFIG_FTRACE, CONFIG_LATENCYTOP or CONFIG_SCHEDSTATS bring it)"
    on IOMMU_API || lacks "has no CONFIG_IOMMU_API: there is no IOMMU probing" "$rebuild an IOMMU driver, which selects it"
    on ARM64 || on X86_64 || lacks "is for neither arm64 nor x86-64" "there is no way: the detour is assembly"
    [ -n "$key" ] || check_signing
    if on LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY; then
        lacks "is locked down from the start (CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY): no kprobes" \
            "$rebuild CONFIG_LOCK_DOWN_KERNEL_FORCE_NONE=y"
    elif on SECURITY_LOCKDOWN_LSM; then
        say "note: the lockdown LSM is in this kernel: the board must not boot with lockdown= or secure boot (cat /sys/kernel/security/lockdown says [none])"
    fi
    on MODULE_UNLOAD || say "note: no CONFIG_MODULE_UNLOAD: once inserted, the module stays until the next boot"
    on DEBUG_FS || say "note: no CONFIG_DEBUG_FS: devices that wait for others cannot be listed"
}

check_signing() {
    local how="sign it: --key PEM --cert CRT with the key pair that the kernel was built with (certs/signing_key.pem), or $rebuild"
    if on MODULE_SIG_FORCE; then
        lacks "takes signed modules only (CONFIG_MODULE_SIG_FORCE)" "$how no CONFIG_MODULE_SIG_FORCE"
    elif on LOCK_DOWN_KERNEL_FORCE_INTEGRITY; then
        lacks "is locked down from the start (CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY): signed modules only" \
            "$how CONFIG_LOCK_DOWN_KERNEL_FORCE_NONE=y"
    elif on MODULE_SIG; then
        say "note: modules are signed here (CONFIG_MODULE_SIG): ours is not, which taints the kernel unless module.sig_enforce=1 forbids it"
    fi
}

# What every kernel exports, unless it is trimmed. What is not here is left out by
# Kbuild where it is missing, or named by modpost.
needed="bus_find_device bus_for_each_dev bus_register_notifier bus_unregister_notifier
copy_from_kernel_nofault dma_map_page_attrs dma_unmap_page_attrs find_vpid
iommu_get_domain_for_dev iommu_group_get iommu_group_id iommu_group_put iommu_iova_to_phys
kobject_uevent_env misc_deregister misc_register pid_task register_kprobe
register_module_notifier register_reboot_notifier schedule_hrtimeout sprint_symbol_no_offset
stack_trace_save unregister_kprobe unregister_kprobes unregister_module_notifier
unregister_reboot_notifier wait_for_device_probe"

# Module.symvers of a finished build: its exports, all of them.
check_exports() {
    local file=$build/Module.symvers missing="" symbol
    if [ ! -s "$file" ]; then
        on MODVERSIONS && lacks "has CONFIG_MODVERSIONS, and $build has no Module.symvers" \
            "finish the build there (make modules), or give the source alone with --config and --module"
        return 0
    fi
    grep -q "	vmlinux	" "$file" || die 2 "$file has no symbols of vmlinux: finish the build there (make vmlinux modules)"
    cut -f2 "$file" | sort >"$work/exports"
    for symbol in $needed; do
        grep -qx "$symbol" "$work/exports" || missing+=" $symbol"
    done
    [ -z "$missing" ] && return
    if on TRIM_UNUSED_KSYMS; then
        lacks "trims symbols that its own modules do not use (CONFIG_TRIM_UNUSED_KSYMS), and with them:$missing" \
            "name them in the file of CONFIG_UNUSED_KSYMS_WHITELIST (Android: the KMI symbol list), or $rebuild no CONFIG_TRIM_UNUSED_KSYMS"
    else
        lacks "does not export:$missing" "$rebuild them; the source has taken EXPORT_SYMBOL away"
    fi
}

check_compiler() {
    if on CC_IS_CLANG && [ -z "$clang" ]; then
        lacks "was built by clang ($(value CC_VERSION_TEXT))" "say LLVM=1, or LLVM=-19 for clang-19"
    elif on CC_IS_GCC && [ -n "$clang" ]; then
        lacks "was built by gcc ($(value CC_VERSION_TEXT))" "leave LLVM= and CC=clang away; say CROSS_COMPILE="
    fi
}

# --- the source alone ------------------------------------------------------------------

check_source() {
    local have want
    [ -n "$config_file" ] || die 2 "$tree is not built: give the board's configuration with --config FILE (its /proc/config.gz), or O=DIR where it was built"
    if on RANDSTRUCT || on GCC_PLUGIN_RANDSTRUCT; then
        lacks "shuffles its structures (CONFIG_RANDSTRUCT) with a seed that only its own build tree has" "give that tree, or what was installed as its headers"
    fi
    if [ ${#modules[@]} = 0 ]; then
        if on MODVERSIONS; then
            lacks "has CONFIG_MODVERSIONS: it asks each module for the CRC of each symbol" "give a module of the board, better all: --module /lib/modules/RELEASE"
        else
            say "note: without --module the release is the source's: the kernel compares it with its own (uname -r)"
        fi
    elif on MODVERSIONS && ! grep -q ' module_layout$' "$work/crcs"; then
        die 2 "--module ${modules[*]}: no symbol CRCs in it, and the kernel has CONFIG_MODVERSIONS: is it of another kernel?"
    fi
    on MODVERSIONS || say "note: without CONFIG_MODVERSIONS nothing tells a source that lays out its structures otherwise: take what that kernel was built from, patches and all"
    on TRIM_UNUSED_KSYMS && say "note: CONFIG_TRIM_UNUSED_KSYMS: what was trimmed is known only to the kernel; insmod names it (Unknown symbol)"
    have=$(makes kernelversion) want=$(config_version)
    if [ -n "$want" ] && [ "$have" != "$want" ]; then
        [ -n "$force" ] || die 2 "$tree is Linux $have, and the board's configuration is of $want: take the source of that version (--force goes on: what the module reads may lie elsewhere)"
        say "note: the source is Linux $have, the board's kernel $want"
    fi
}

# Kbuild refuses a source that was built in place; a copy without what it left is fine.
clean_source() {
    [ -e "$tree/.config" ] || [ -d "$tree/include/config" ] || return 0
    say "copying the source, which was configured in place"
    mkdir -p "$work/source"
    tar -C "$tree" --exclude=.git --exclude='*.o' --exclude='*.ko' --exclude=./vmlinux -cf - . | tar -C "$work/source" -xf -
    tree=$work/source
    makes mrproper >"$log" 2>&1 || failed 3 "make mrproper in a copy of the source"
}

# Options that decide how structures lie and calls are made.
crucial='MODVERSIONS|MODULE_UNLOAD|SMP|PREEMPT.*|CFI|CFI_CLANG|LTO_.*|SHADOW_CALL_STACK|KASAN.*|KCSAN|LOCKDEP|PROVE_LOCKING|DEBUG_LOCK_ALLOC|DEBUG_INFO_BTF_MODULES|GCC_PLUGIN_STACKLEAK|KSTACK_ERASE|ARM64_BTI_KERNEL|ARM64_PTR_AUTH_KERNEL|STACKPROTECTOR.*|MITIGATION_.*|FUNCTION_TRACER|DYNAMIC_FTRACE.*'

# What the board's kernel has on and the one that was configured has not.
lost_options() {
    comm -23 <(on_in "$config") <(on_in "$build/.config") |
        grep -vE '^(CC|AS|LD|LLD|GCC|CLANG|RUSTC?|PAHOLE|TOOLS|HAVE|ARCH|BINDGEN)_' || true
}
on_in() { sed -n 's/^CONFIG_\(.*\)=y$/\1/p' "$1" | sort; }

# Headers are to see what they saw when the kernel was built, also of its compiler:
# structures and CRCs follow from them. Makefiles see what this compiler can do.
show_headers_the_board() {
    local header=$build/include/generated/autoconf.h
    makes syncconfig >"$log" 2>&1 || failed 3 "the configuration"
    comm -23 <(on_in "$config") <(on_in "$build/.config") | sed 's/.*/#undef CONFIG_&\n#define CONFIG_& 1/' >>"$header"
    comm -13 <(on_in "$config") <(on_in "$build/.config") | sed 's/.*/#undef CONFIG_&/' >>"$header"
}

configure() {
    local lost hard
    say "configuring Linux $(makes kernelversion) as the board's kernel is"
    mkdir -p "$build"
    # BTF of our module is of no use, but struct module has room for it.
    if [ -n "$(value PAHOLE_VERSION)" ]; then
        printf '#!/bin/sh\necho v%d.%02d\n' $(($(value PAHOLE_VERSION) / 100)) $(($(value PAHOLE_VERSION) % 100)) >"$work/pahole"
        chmod +x "$work/pahole"
        words+=("PAHOLE=$work/pahole")
    fi
    grep -vE '^CONFIG_(LOCALVERSION(_AUTO)?|SYSTEM_TRUSTED_KEYS|SYSTEM_REVOCATION_KEYS|MODULE_SIG_KEY)=' "$config" >"$build/.config"
    echo '# CONFIG_LOCALVERSION_AUTO is not set' >>"$build/.config"
    makes olddefconfig >"$log" 2>&1 || failed 3 "the configuration"
    lost=$(lost_options | xargs)
    hard=$(lost_options | grep -xE "$crucial" | xargs || true)
    if [ -n "$hard" ] && [ -z "$force" ]; then
        die 3 "the compiler here cannot do what the board's kernel was built with: $hard. It was built by $(value CC_VERSION_TEXT): take that one, or a newer of its kind (--force goes on)"
    fi
    [ -z "$lost" ] || say "note: options of the board that the source or the compiler here does not know: $lost"
}

prepare() {
    clean_source
    configure
    show_headers_the_board
    [ -z "${release:-}" ] || words+=("KERNELRELEASE=$release")
    say "preparing it for modules"
    makes -j"$jobs" modules_prepare >"$log" 2>&1 || failed 3 "make modules_prepare"
    [ ! -s "$work/crcs" ] || symvers >"$build/Module.symvers"
}

# The board's CRCs as Module.symvers has them, which modpost reads.
symvers() { awk '{ print $1 "\t" $2 "\tvmlinux\tEXPORT_SYMBOL_GPL\t" }' "$work/crcs"; }

# Of each file that lays out what the module reads or fills in, one symbol: struct module,
# device, bus_type, iommu_group and its domains, kprobe, miscdevice.
layouts="module_layout put_device bus_find_device iommu_group_get register_kprobe misc_register"

# The objects that export these symbols and those of layouts are built, and all CRCs that
# this brings are printed.
computed_crcs() { # SYMBOL..
    local symbol file whole objects=() cmd
    for symbol in "$@" $layouts; do
        file=$(cd "$tree" && grep -rlsE "^EXPORT_SYMBOL(_GPL)?\($symbol\)" --include='*.c' \
            kernel drivers/base drivers/iommu drivers/char drivers/of drivers/pci drivers/amba drivers/bus fs lib mm security | head -n 1)
        [ -n "$file" ] || continue
        # Some are part of another, kernel/sched/build_utility.c.
        whole=$(cd "$tree" && grep -lsF "#include \"${file##*/}\"" "${file%/*}"/*.c | head -n 1)
        objects+=("${whole:-$file}")
    done
    mapfile -t objects < <(printf '%s.o\n' "${objects[@]%.c}" | sort -u)
    say "computing the CRCs of ${#objects[@]} objects of the source"
    makes -k -j"$jobs" "${objects[@]}" >>"$log" 2>&1 || true
    for file in "${objects[@]}"; do
        cmd=$build/${file%/*}/.${file##*/}.cmd
        [ ! -e "$cmd" ] || sed -n 's/^#SYMVER \([^ ]*\) \(0x.*\)/\2 \1/p' "$cmd"
    done
}

# What our modules ask for, from the board's modules and then from the source. Fails when
# that has brought nothing.
complete_crcs() {
    local missing symbol before
    mapfile -t missing < <("${objcopy/objcopy/nm}" -u "$work"/dmarace/dmarace*.ko | sed -n 's/^ *U //p' | sort -u)
    before=$(wc -l <"$work/crcs")
    say "looking up ${#missing[@]} symbols in the board's modules ($(wc -l <"$work/unread") more)"
    read_modules "${missing[@]}"
    mapfile -t missing < <(unknown)
    [ ${#missing[@]} = 0 ] || say "no module given uses ${#missing[@]} of them"
    computed_crcs "${missing[@]}" | sort -u -k2,2 >"$work/computed"
    compare_crcs
    for symbol in "${missing[@]}"; do
        grep -m1 " $symbol\$" "$work/computed" >>"$work/crcs" ||
            say "note: $symbol has no CRC: no module given uses it, and it cannot be computed; kernels since 6.14 refuse that"
    done
    sort -u -k2,2 -o "$work/crcs" "$work/crcs"
    symvers >"$build/Module.symvers"
    [ "$(wc -l <"$work/crcs")" != "$before" ]
}

# CRCs follow from structures. KERNELRELEASE and the board's own CRCs make the kernel take
# the module, however the source lays out what it reads: so here is where that is seen.
compare_crcs() {
    local both=$work/both others
    join -1 2 -2 2 "$work/computed" "$work/crcs" >"$both"
    others=$(awk '$2 != $3 { print $1 }' "$both" | xargs)
    if [ -n "$others" ]; then
        [ -n "$force" ] || die 4 "the source gives other CRCs than the board's modules have for: $others. It is not what that kernel was built from, or was compiled otherwise ($(value CC_VERSION_TEXT)): the module might look for things where they are not. Take the vendor's source, with its patches (--force goes on)"
        say "note: the source gives other CRCs than the board's modules have for: $others"
    elif ! grep -q '^module_layout ' "$both"; then
        cp "$log" "$out/build-module.log"
        [ -n "$force" ] || die 4 "the source gives no CRC for module_layout: nothing tells whether it is that kernel's (the log is $out/build-module.log; --force goes on)"
    else
        say "the source gives the CRCs that the board's modules have: $(wc -l <"$both") compared"
        grep -qE '^(put_device|bus_[a-z_]*|iommu_[a-z_]*|_?dev_[a-z_]*|device_[a-z_]*|devm_[a-z_]*) ' "$both" ||
            say "note: none of them takes a struct device: give more modules (--module /lib/modules/RELEASE)"
    fi
}

# --- building -------------------------------------------------------------------------

makes() {
    local place=("-C" "$tree")
    [ "$build" = "$tree" ] || place+=("O=$build")
    LOCALVERSION='' make -s --no-print-directory "${place[@]}" "${words[@]}" "$@"
}

failed() { # CODE WHAT
    cp "$log" "$out/build-module.log" 2>/dev/null || true
    grep -E 'rror|\*\*\*|GLIBC|not found|undefined!' "$log" | head -n 8 | sed 's/^/    /' >&2 || true
    die "$1" "$2 failed; the log is $out/build-module.log"
}

# The tree's own programs may be for another machine: headers copied from the board.
check_programs() {
    local program=$build/scripts/mod/modpost said
    [ -e "$program" ] || program=$(readlink -f "$build/scripts")/mod/modpost
    [ -e "$program" ] || die 2 "$build has no scripts/mod/modpost: run make modules_prepare there, or finish its build"
    said=$("$program" 2>&1 </dev/null) || case $?:$said in
    126:* | *"Exec format"* | *GLIBC_*) die 3 "the build programs of $build do not run here ($(head -n1 <<<"${said#*modpost: }")): build on the machine or the distribution they are for, or give the kernel's source with --config and --module" ;;
    esac
}

# The compiler's options that the kernel's makefiles took for granted.
compiler_words() {
    words+=(CONFIG_DEBUG_INFO_BTF_MODULES=)
    [ -z "$clang" ] && on CC_HAS_MIN_FUNCTION_ALIGNMENT &&
        ! $cc -fmin-function-alignment=8 -x c -E /dev/null >/dev/null 2>&1 &&
        words+=(CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=)
    return 0
}

build_module() {
    makes -j"$jobs" M="$work/dmarace" modules >"$log" 2>&1
}

# The word of kmod/kernel_has.c that a source takes away by a namespace (Android).
in_a_namespace() {
    ! grep -qE "^EXPORT_SYMBOL_NS(_GPL)?\\((filp_open|kernel_read)," "$tree"/fs/*.c || echo read_files
}

build() {
    mkdir -p "$work/dmarace"
    (cd "$source" && find Kbuild kmod -type f \( -name Kbuild -o -name '*.[chS]' \) ! -name '*.mod.c' |
        tar -cf - -T -) | tar -C "$work/dmarace" -xf -
    compiler_words
    say "building dmarace.ko for ${release:-$(cat "$build/include/config/kernel.release")}"
    if [ -z "$prepared" ]; then
        build_module || failed 4 "the build of the module"
    else
        words+=(KBUILD_MODPOST_WARN=1 "dmarace-without=$(in_a_namespace)")
        build_module || failed 4 "the build of the module"
        if on MODVERSIONS && complete_crcs; then
            build_module || failed 4 "the build of the module"
        fi
        check_magic
    fi
    [ -z "$key" ] || sign
    cp "$work"/dmarace/dmarace*.ko "$out/"
    say "built $out/dmarace.ko for $(modinfo_of "$out/dmarace.ko" vermagic)"
    echo "$out/dmarace.ko"
}

check_magic() {
    local ours
    ours=$(modinfo_of "$work/dmarace/dmarace.ko" vermagic)
    [ -z "${magic:-}" ] || [ "$(xargs <<<"$ours")" = "$(xargs <<<"$magic")" ] || [ -n "$force" ] ||
        die 4 "the module would be for '$ours', the board's modules are for '$magic': --config and --module are of different kernels?"
}

sign() {
    local file program=$build/scripts/sign-file hash
    hash=$(value MODULE_SIG_HASH)
    [ -x "$program" ] || program=$(readlink -f "$build/scripts")/sign-file
    [ -x "$program" ] || die 3 "$build has no scripts/sign-file: build it there (make modules_prepare with CONFIG_MODULE_SIG)"
    for file in "$work"/dmarace/dmarace*.ko; do
        "$program" "${hash:-sha256}" "$key" "$cert" "$file" || die 2 "--key $key --cert $cert: signing failed"
    done
}

# --- the words ------------------------------------------------------------------------

words=() modules=() tree="" out=. config_file="" key="" cert="" only="" force="" kept=""
O="" clang="" arch="" prepared="" llvm="" cc=""
needs_value() { [ $# -gt 1 ] || die 2 "$1 takes a value (--help)"; }
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage && exit 0 ;;
    --out | --config | --module | --key | --cert | --work)
        needs_value "$@"
        case $1 in
        --out) out=$2 ;;
        --config) config_file=$2 ;;
        --module) modules+=("$2") ;;
        --key) key=$2 ;;
        --cert) cert=$2 ;;
        --work) kept=$2 ;;
        esac
        shift
        ;;
    --check) only=check ;;
    --crcs) only=crcs ;;
    --force) force=1 ;;
    -*) die 2 "no option $1 (--help says which there are)" ;;
    O=*) O=${1#O=} ;;
    M=* | KBUILD_OUTPUT=*) die 2 "$1 is not for this: say O=DIR for the kernel's build directory, --out DIR for the module" ;;
    *=*)
        words+=("$1")
        case $1 in
        LLVM=*) llvm=${1#LLVM=} && clang=1 ;;
        CC=*) cc=${1#CC=} ;;
        CROSS_COMPILE=*) CROSS_COMPILE=${1#*=} ;;
        ARCH=*) arch=${1#*=} ;;
        esac
        ;;
    *)
        [ -z "$tree" ] || die 2 "one KERNEL_TREE, not '$tree' and '$1'"
        tree=$1
        ;;
    esac
    shift
done
[ -z "$key$cert" ] || { [ -r "$key" ] && [ -r "$cert" ]; } || die 2 "--key and --cert go together, each a file that can be read"

if [ -n "$kept" ]; then
    mkdir -p "$kept" 2>/dev/null || die 2 "--work $kept: cannot be made"
    work=$(cd "$kept" && pwd)
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
fi
log=$work/make.log config=$work/config
: >"$log"

case $llvm in
'' | 0) llvm="" objcopy=${CROSS_COMPILE:-}objcopy ;;
1) objcopy='llvm-objcopy' ;;
*/) objcopy=${llvm}llvm-objcopy ;;
*) objcopy=llvm-objcopy$llvm ;;
esac

if [ "$only" = crcs ]; then
    [ ${#modules[@]} -gt 0 ] || die 2 "--crcs takes --module FILE"
    command -v "$objcopy" >/dev/null || die 3 "$objcopy is not there: say CROSS_COMPILE= or LLVM=1"
    find_modules
    while IFS= read -r file; do read_module "$file"; done <"$work/unread"
    sort -u -k2,2 "$work/crcs" -o "$work/crcs"
    symvers
    exit 0
fi
if [ "$only" = check ]; then
    [ -n "$config_file" ] || die 2 "--check takes --config FILE"
    read_config "$config_file" "$config"
    check_config
    [ $faults = 0 ] || exit 4
    say "the configuration has what dmarace.ko needs"
    exit 0
fi

source=$(cd "$(dirname "$0")/.." && pwd)
[ -e "$source/Kbuild" ] || die 2 "$source has no Kbuild and kmod/: keep this script with the module's sources"
[ -n "$tree" ] || die 2 "which kernel? Give its build tree, headers or source (--help)"
[ -d "$tree" ] || die 2 "$tree: there is no such directory"
tree=$(cd "$tree" && pwd)
[ -e "$tree/Makefile" ] || die 2 "$tree is no kernel tree: it has no Makefile"
mkdir -p "$out" 2>/dev/null || true
[ -w "$out" ] || die 2 "--out $out: cannot be written"
out=$(cd "$out" && pwd)
jobs=$(nproc 2>/dev/null || echo 2)

# Built, or to be prepared?
build=${O:-$tree}
[ -z "$O" ] || mkdir -p "$O" || die 2 "O=$O: cannot be made"
build=$(cd "$build" && pwd)
if [ -e "$build/include/config/auto.conf" ] && [ -z "$config_file" ]; then
    cp "$build/.config" "$config" 2>/dev/null || cp "$build/include/config/auto.conf" "$config"
else
    [ -d "$tree/arch" ] || die 2 "$tree is neither built nor a kernel source"
    [ -n "$config_file" ] || [ ! -e "$build/.config" ] || die 2 "$build is configured but not built: run make modules there, or give the board's --config"
    prepared=1
    [ -n "$O" ] || build=$work/kernel
    [ -z "$config_file" ] || read_config "$config_file" "$config"
    mkdir -p "$build"
fi

if [ -z "$arch" ] && [ -s "$config" ]; then
    arch=$(uname -m | sed 's/aarch64/arm64/')
    ! on ARM64 || arch=arm64
    ! on X86_64 || arch=x86_64
    words+=("ARCH=$arch")
fi
[[ $cc != *clang* ]] || clang=1
if [ -z "$clang" ] && [ -z "${CROSS_COMPILE:-}" ] && [ "$(uname -m)" != "${arch/arm64/aarch64}" ]; then
    [ "$arch" != arm64 ] || CROSS_COMPILE=aarch64-linux-gnu-
    [ "$arch" != x86_64 ] || CROSS_COMPILE=x86_64-linux-gnu-
    words+=("CROSS_COMPILE=${CROSS_COMPILE:-}")
    objcopy=${CROSS_COMPILE:-}objcopy
fi
[ -n "$cc" ] || cc=${CROSS_COMPILE:-}gcc
[ -z "$llvm" ] || cc=${objcopy/llvm-objcopy/clang}
check_programs_here() {
    local program remedy="install it, or say CROSS_COMPILE=PREFIX- or LLVM=1"
    local programs=(make "$objcopy" "${cc##* }") of=${objcopy##*llvm-objcopy}
    of=${of#-}
    if [ -n "$llvm" ]; then
        for program in ld.lld llvm-nm llvm-ar; do programs+=("${objcopy/llvm-objcopy/$program}"); done
        remedy="LLVM=$llvm takes clang, lld and llvm of one version (Debian: apt-get install clang-${of:=19} lld-$of llvm-$of, and LLVM=-$of)"
    fi
    for program in "${programs[@]}"; do
        command -v "$program" >/dev/null || die 3 "$program is not there: $remedy"
    done
}
check_programs_here

[ ${#modules[@]} = 0 ] || find_modules
if [ -s "$config" ]; then
    check_config
    check_compiler
fi
if [ -n "$prepared" ]; then check_source; else check_exports; fi
[ $faults = 0 ] || die 4 "nothing was built: see above for what to do ($faults)"
if [ -n "$prepared" ]; then prepare; else check_programs; fi
build
