# SPDX-License-Identifier: GPL-2.0-or-later
################################################################################
#
# dmarace
#
################################################################################

DMARACE_VERSION = 0.1.0
DMARACE_SITE = $(realpath $(BR2_EXTERNAL_DMARACE_PATH)/../..)
DMARACE_SITE_METHOD = local
DMARACE_LICENSE = GPL-2.0-only (module), GPL-2.0-or-later (programs)
DMARACE_LICENSE_FILES = LICENSES/GPL-2.0-only.txt LICENSES/GPL-2.0-or-later.txt
DMARACE_DEPENDENCIES = host-pkgconf boost fmt json-for-modern-cpp kmod libbpf libnl pugixml \
	tomlplusplus udev util-linux
DMARACE_SUPPORTS_IN_SOURCE_BUILD = NO
# BUILD_SHARED_LIBS is set for all packages; the rooms are no libraries of anybody else's.
DMARACE_CONF_OPTS = -DDMARACE_VM=OFF -DDMARACE_TESTS=OFF -DBUILD_SHARED_LIBS=OFF

define DMARACE_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_MODULES)
	$(call KCONFIG_ENABLE_OPT,CONFIG_KPROBES)
endef

$(eval $(kernel-module))
$(eval $(cmake-package))
