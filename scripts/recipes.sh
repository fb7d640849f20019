#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs the build lines of packaging/buildroot and packaging/yocto in a clean Debian, with the
# variables set as those systems set them. No image is made.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/recipes.sh [--out DIR] [buildroot|yocto]..

Makes a clean Debian in DIR [build/recipes] with compiler, libraries and the headers of a kernel,
as root, and builds and installs module and programs there: as kernel-module and cmake-package of
Buildroot call make and cmake, and as the classes module and cmake of OpenEmbedded do. What those
read of the package (options, dependencies, make's variables) is read from its files. Exit 0:
dmarace.ko, dmarace and dmaraced were installed by each.
TEXT
}

out=build/recipes systems=()
while [ $# -gt 0 ]; do
    case $1 in
    --out)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        out=$2
        shift
        ;;
    buildroot | yocto) systems+=("$1") ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
[ ${#systems[@]} -gt 0 ] || systems=(buildroot yocto)
mkdir -p "$out"
out=$(cd "$out" && pwd)
# shellcheck source=scripts/clean-root.sh
. scripts/clean-root.sh

libraries() {
    sed -n "s/^libraries of the programs: //p" scripts/setup.sh
}

# In the root, /src is the project and /target where the system installs.
buildroot() {
    cat >"$root/buildroot.mk" <<'MAKE'
# What Buildroot has said when it reads a package of an external tree.
BR2_EXTERNAL_DMARACE_PATH := /src/packaging/buildroot
KCONFIG_ENABLE_OPT = true $(1)
PKG = DMARACE
LINUX_DIR := $(wildcard /lib/modules/*/build)
LINUX_MAKE_FLAGS = HOSTCC=gcc ARCH=$(ARCH) INSTALL_MOD_PATH=/target CROSS_COMPILE= WERROR=0 \
	REGENERATE_PARSERS=1 DEPMOD=true INSTALL_MOD_STRIP=1
include $(BR2_EXTERNAL_DMARACE_PATH)/external.mk
DIR := /build/dmarace-$(DMARACE_VERSION)
BUILDDIR := $(DIR)$(if $(filter NO,$(DMARACE_SUPPORTS_IN_SOURCE_BUILD)),/buildroot-build)

all:
	test -d $(DMARACE_SITE)/kmod && test $(DMARACE_SITE_METHOD) = local
	rm -rf $(DIR) && mkdir -p /build && cp -a $(DMARACE_SITE) $(DIR)
	$(foreach file,$(DMARACE_LICENSE_FILES),test -s $(DIR)/$(file) &&) true
	$(DMARACE_LINUX_CONFIG_FIXUPS)
	mkdir -p $(BUILDDIR) && cd $(BUILDDIR) && cmake $(DIR) -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr \
		-DCMAKE_INSTALL_RUNSTATEDIR=/run -DCMAKE_COLOR_MAKEFILE=OFF -DBUILD_DOC=OFF \
		-DBUILD_DOCS=OFF -DBUILD_EXAMPLE=OFF -DBUILD_EXAMPLES=OFF -DBUILD_TEST=OFF \
		-DBUILD_TESTS=OFF -DBUILD_TESTING=OFF -DBUILD_SHARED_LIBS=ON $(TOOLCHAIN) \
		$(DMARACE_CONF_OPTS)
	$(MAKE) -C $(BUILDDIR)
	$(MAKE) -C $(LINUX_DIR) $(LINUX_MAKE_FLAGS) $(DMARACE_MODULE_MAKE_OPTS) PWD=$(DIR)/. \
		M=$(DIR)/. modules
	$(MAKE) -C $(BUILDDIR) DESTDIR=/target install/fast
	$(MAKE) -C $(LINUX_DIR) $(LINUX_MAKE_FLAGS) $(DMARACE_MODULE_MAKE_OPTS) PWD=$(DIR)/. \
		M=$(DIR)/. modules_install
MAKE
    inside "$root" make -j2 -f /buildroot.mk "ARCH=$kernel_arch" "TOOLCHAIN=${toolchain[*]}"
}

# value RECIPE NAME: what the recipe sets it to, if it does.
value() { sed -n "s/^$2 *+\{0,1\}= *\"\(.*\)\"$/\1/p" "packaging/yocto/recipes-kernel/dmarace/$1"; }

yocto() {
    local options targets
    options=$(value dmarace_git.bb EXTRA_OECMAKE)
    targets=$(value dmarace-module_git.bb MAKE_TARGETS)
    cp -a "$root/src" "$root/build-module"
    cp packaging/yocto/recipes-kernel/dmarace/files/Makefile "$root/build-module"
    cat >"$root/yocto.sh" <<TEXT
set -eux
KERNEL_VERSION=\$(echo /lib/modules/* | sed 's,.*/,,')
STAGING_KERNEL_BUILDDIR=\$(readlink -f "/lib/modules/\$KERNEL_VERSION/build")
STAGING_KERNEL_DIR=\$(readlink -f "/lib/modules/\$KERNEL_VERSION/source")
export ARCH=$kernel_arch CROSS_COMPILE=
for file in GPL-2.0-only GPL-2.0-or-later; do
    grep -rhF "\$(md5sum < "/src/LICENSES/\$file.txt" | cut -d' ' -f1)" /src/packaging/yocto/recipes-kernel | grep -q "/\$file.txt;"
done
cd /build-module
make -j2 KERNEL_SRC="\$STAGING_KERNEL_DIR" KERNEL_PATH="\$STAGING_KERNEL_DIR" \\
    KERNEL_VERSION="\$KERNEL_VERSION" CC=gcc LD=ld AR=ar OBJCOPY=objcopy STRIP=strip \\
    O="\$STAGING_KERNEL_BUILDDIR" KBUILD_EXTRA_SYMBOLS= $targets
make KERNEL_SRC="\$STAGING_KERNEL_DIR" DEPMOD=echo \\
    MODLIB="/target/lib/modules/\$KERNEL_VERSION" CC=gcc LD=ld O="\$STAGING_KERNEL_BUILDDIR" \\
    modules_install
cmake -G Ninja -S /src -B /build-programs -DCMAKE_INSTALL_PREFIX:PATH=/usr \\
    -DCMAKE_INSTALL_BINDIR:PATH=bin -DCMAKE_INSTALL_SBINDIR:PATH=sbin \\
    -DCMAKE_INSTALL_SO_NO_EXE=0 -DCMAKE_NO_SYSTEM_FROM_IMPORTED=1 -DCMAKE_BUILD_TYPE=Release \\
    ${toolchain[*]} $options -Wno-dev
cmake --build /build-programs -j2 --target all
DESTDIR=/target cmake --build /build-programs --target install
TEXT
    inside "$root" sh /yocto.sh
}

case $arch in amd64) kernel_arch=x86_64 ;; *) kernel_arch=$arch ;; esac
# What their toolchain files would say, unoptimized.
toolchain=(-DCMAKE_CXX_FLAGS=-O0 -DCMAKE_CXX_FLAGS_RELEASE=-DNDEBUG
    -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON)
root=$out/root
trap 'rm -rf "$root"' EXIT
clean_root root
# shellcheck disable=SC2046 # a list of names
apt_inside "$root" install make cmake ninja-build g++ pkg-config ccache "linux-headers-$arch" $(libraries)
mkdir "$root/src"
git ls-files -co --exclude-standard -z | xargs -0 cp -P --parents -t "$root/src"
for system in "${systems[@]}"; do
    say "$system"
    rm -rf "$root/target"
    $system >"$out/$system.log" 2>&1 || fail "$system: see $out/$system.log"
    for file in dmarace.ko sbin/dmarace sbin/dmaraced jobs/late-probe.toml man8/dmarace-run.8 \
        system/dmaraced.service; do
        [ -n "$(find "$root/target" -path "*/$file" -type f)" ] || fail "$system installed no $file"
    done
    say "$system: $(find "$root/target" -type f | wc -l) files installed, $(cd "$root/target" &&
        find . -name 'dmarace*.ko' | sort | tr '\n' ' ')"
done
