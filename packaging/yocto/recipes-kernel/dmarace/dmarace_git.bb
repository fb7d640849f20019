# SPDX-License-Identifier: GPL-2.0-or-later
SUMMARY = "Makes the races of IOMMU probing happen on purpose, and judges each device's DMA"
LICENSE = "GPL-2.0-or-later"
LIC_FILES_CHKSUM = "file://LICENSES/GPL-2.0-or-later.txt;md5=b234ee4d69f5fce4486a80fdaf4a4263"

require dmarace.inc

DEPENDS = "boost fmt kmod libbpf libnl nlohmann-json pugixml tomlplusplus udev util-linux"
RRECOMMENDS:${PN} = "kernel-module-dmarace"

inherit cmake pkgconfig

EXTRA_OECMAKE = "-DDMARACE_VM=OFF -DDMARACE_TESTS=OFF"
FILES:${PN} += "${nonarch_libdir} ${datadir}"
