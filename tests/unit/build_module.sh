#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/build-module.sh with a kernel tree, configurations and a module that are made up: what
# it refuses and by which name, the CRCs it reads, and where it writes.
set -euo pipefail
script=$(cd "$(dirname "$0")/../.." && pwd)/scripts/build-module.sh
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
cd "$top"
failed=0
machine=$(uname -m)
arch=ARM64
[ "$machine" != x86_64 ] || arch=X86_64

# expect CODE WORDS -- ARGUMENTS..: its exit code, and words that it must say
expect() {
    local code=$1 words=$2 got=0
    shift 3
    "$script" "$@" >said 2>&1 || got=$?
    [ "$got" = "$code" ] && grep -qF -- "$words" said && return
    echo "not ok: $* gave $got, and not $code with '$words':"
    cat said
    failed=1
}

options="MODULES MODULE_UNLOAD KPROBES STACKTRACE IOMMU_API DEBUG_FS CC_IS_GCC $arch"
configuration() { # without WORD, with MORE..
    local without=$1 option
    shift
    echo "# Linux/x 6.12.30 Kernel Configuration"
    for option in $options "$@"; do
        [ "$option" = "$without" ] || echo "CONFIG_$option=y"
    done
}

# --- what a configuration lacks
configuration none >good
expect 0 "has what dmarace.ko needs" -- --check --config good
gzip -c good >good.gz
expect 0 "has what dmarace.ko needs" -- --check --config good.gz
while read -r without more word; do
    # shellcheck disable=SC2086 # no word where there is none
    configuration "$without" ${more#-} >bad
    expect 4 "$word" -- --check --config bad
done <<'TEXT'
MODULES - CONFIG_MODULES=y
KPROBES - CONFIG_KPROBES=y
STACKTRACE - CONFIG_STACKTRACE=y
IOMMU_API - CONFIG_IOMMU_API
none MODULE_SIG_FORCE CONFIG_MODULE_SIG_FORCE
none LOCK_DOWN_KERNEL_FORCE_INTEGRITY --key
none LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY CONFIG_LOCK_DOWN_KERNEL_FORCE_NONE=y
TEXT
configuration KPROBES MODULE_SIG_FORCE >bad
expect 4 "CONFIG_KPROBES=y" -- --check --config bad
expect 4 "CONFIG_MODULE_SIG_FORCE" -- --check --config bad
configuration none SECURITY_LOCKDOWN_LSM >noted
expect 0 "lockdown=" -- --check --config noted
: >key
expect 0 "has what" -- --check --config <(configuration none MODULE_SIG_FORCE) --key key --cert key
expect 2 "is no kernel configuration" -- --check --config "$script"
expect 2 "cannot be read" -- --check --config absent

# --- wrong words
expect 2 "which kernel?" --
expect 2 "no option --frob" -- --frob
expect 2 "--config takes a value" -- --config
expect 2 "no such directory" -- absent
expect 2 "say O=DIR" -- M=x good
expect 0 "usage:" -- --help

# --- the CRCs of a module: two of a symbol's length, and what is no module
cat >module.s <<'TEXT'
    .section __versions, "a"
    .quad 0xdeadbeef
    .asciz "module_layout"
    .zero 42
    .quad 0x0000abcd
    .asciz "iommu_group_get"
    .zero 40
    .section .modinfo, "a"
    .asciz "license=GPL"
    .asciz "vermagic=6.12.30-vendor SMP mod_unload modversions"
TEXT
as -o vendor.ko module.s
xz -k vendor.ko
zstd -q vendor.ko
for file in vendor.ko vendor.ko.xz vendor.ko.zst .; do
    expect 0 "0xdeadbeef	module_layout	vmlinux" -- --crcs --module $file
    expect 0 "0x0000abcd	iommu_group_get	vmlinux" -- --crcs --module $file
done
sed 's/__versions, "a"/other, "a"/' module.s >extended.s
cat >>extended.s <<'TEXT'
    .section __version_ext_crcs, "a"
    .long 0xdeadbeef, 0x0000abcd
    .section __version_ext_names, "a"
    .asciz "module_layout"
    .asciz "a_name_that_is_longer_than_fifty_five_letters_as_those_of_rust"
TEXT
as -o extended.ko extended.s
expect 0 "0x0000abcd	a_name_that_is_longer_than_fifty_five_letters_as_those_of_rust	" -- --crcs --module extended.ko
expect 2 "is no kernel module" -- --crcs --module good
expect 2 "no such file" -- --crcs --module absent.ko

# --- a tree that was built: what it exports, and where is written
mkdir -p tree/include/config tree/scripts/mod sources/scripts sources/kmod
cp vendor.ko tree/ready.ko
# shellcheck disable=SC2016 # make's variables
printf 'modules:\n\tcp $(CURDIR)/ready.ko $(M)/dmarace.ko\n' >tree/Makefile
configuration none MODVERSIONS >tree/.config
cp tree/.config tree/include/config/auto.conf
echo 6.12.30-vendor >tree/include/config/kernel.release
printf '#!/bin/sh\n' >tree/scripts/mod/modpost
chmod +x tree/scripts/mod/modpost
needed=$(sed -n '/^needed="/,/"$/p' "$script" | sed 's/needed=//' | tr -d '"')
exports() { # without WORD
    local symbol
    for symbol in $needed; do
        [ "$symbol" = "$1" ] || printf '0x1\t%s\tvmlinux\tEXPORT_SYMBOL_GPL\t\n' "$symbol"
    done
}
expect 4 "finish the build there" -- tree
exports stack_trace_save >tree/Module.symvers
expect 4 "does not export: stack_trace_save" -- tree
echo CONFIG_TRIM_UNUSED_KSYMS=y >>tree/.config
expect 4 "CONFIG_UNUSED_KSYMS_WHITELIST" -- tree
exports none >tree/Module.symvers
sed -i s/CC_IS_GCC/CC_IS_CLANG/ tree/.config
expect 4 "say LLVM=1" -- tree
mkdir some
for program in clang-7 llvm-objcopy-7; do ln -s /bin/true some/$program; done
PATH=$top/some:$PATH expect 3 "ld.lld-7 is not there: LLVM=-7 takes" -- tree LLVM=-7
PATH=$top/some:$PATH expect 3 "apt-get install clang-7 lld-7 llvm-7" -- tree LLVM=-7
expect 3 "apt-get install clang-19 lld-19 llvm-19" -- tree LLVM="$top/some/"
sed -i s/CC_IS_CLANG/CC_IS_GCC/ tree/.config
cp "$script" sources/scripts/
script=$top/sources/scripts/build-module.sh
: >sources/Kbuild
: >sources/kmod/main.c
find tree sources | sort >before
chmod -R a-w tree sources
mkdir out
expect 0 "built $top/out/dmarace.ko for 6.12.30-vendor" -- --out out tree
[ -e out/dmarace.ko ] || { echo "not ok: no module in --out" && failed=1; }
find tree sources | sort | diff before - || { echo "not ok: something was written there" && failed=1; }
chmod -R u+w tree sources
printf '#!/bin/sh\necho "version GLIBC_2.38 not found" >&2\nexit 1\n' >tree/scripts/mod/modpost
expect 3 "do not run here" -- --out out tree

# --- the source alone
mkdir -p source/arch
: >source/Kconfig
printf 'kernelversion:\n\t@echo 6.12.30\n' >source/Makefile
expect 2 "--config FILE" -- source
configuration none MODVERSIONS >board
expect 4 "--module /lib/modules/RELEASE" -- source --config board
expect 4 "RANDSTRUCT" -- source --config <(configuration none RANDSTRUCT)
sed s/6.12.30/6.12.31/ board >other
expect 2 "take the source of that version" -- source --config other --module vendor.ko

# --- is it the source of that kernel? Its CRCs against those of the board's modules, also
# when these have all that ours asks for.
mkdir -p source/kernel/module source/drivers/iommu
echo 'EXPORT_SYMBOL(module_layout)' >source/kernel/module/version.c
echo 'EXPORT_SYMBOL_GPL(iommu_group_get)' >source/drivers/iommu/iommu.c
cp vendor.ko source/ready.ko
# shellcheck disable=SC2016 # make's variables
cat >>source/Makefile <<'TEXT'
olddefconfig syncconfig modules_prepare:
	@mkdir -p $(O)/include/generated
modules:
	@cp $(CURDIR)/ready.ko $(M)/dmarace.ko
%.o:
	@mkdir -p $(O)/$(@D)
	@grep '^$*.c ' crcs | sed 's/[^ ]* /#SYMVER /' >$(O)/$(@D)/.$(@F).cmd
TEXT
printf '    .text\n    .quad iommu_group_get, prepare_to_wait, security_locked_down\n' >>module.s
as -o source/ready.ko module.s
mkdir source/kernel/sched source/security
echo 'EXPORT_SYMBOL(prepare_to_wait)' >source/kernel/sched/wait.c
echo '#include "wait.c"' >source/kernel/sched/build_utility.c
echo 'EXPORT_SYMBOL_GPL(security_locked_down)' >source/security/security.c
while read -r code layout group word; do
    cat >source/crcs <<LINES
kernel/module/version.c module_layout $layout
drivers/iommu/iommu.c iommu_group_get $group
kernel/sched/build_utility.c prepare_to_wait 0x00000011
security/security.c security_locked_down 0x00000022
LINES
    [ "$layout" != - ] || sed -i 1d source/crcs
    expect "$code" "$word" -- --out out source --config board --module vendor.ko
    ! grep "has no CRC" said || failed=1
    [ "$code" = 0 ] || expect 0 "built $top/out/dmarace.ko" -- --force --out out source --config board --module vendor.ko
done <<'TEXT'
0 0xdeadbeef 0x0000abcd the CRCs that the board's modules have: 2 compared
4 0xdeadbeee 0x0000abcd other CRCs than the board's modules have for: module_layout.
4 0xdeadbeef 0x0000abce other CRCs than the board's modules have for: iommu_group_get.
4 - 0x0000abcd no CRC for module_layout
TEXT
: >source/drivers/iommu/iommu.c
printf 'kernel/module/version.c module_layout 0xdeadbeef\n' >source/crcs
expect 0 "none of them takes a struct device" -- --out out source --config board --module vendor.ko
exit $failed
