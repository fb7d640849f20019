# SPDX-License-Identifier: GPL-2.0-or-later
SUMMARY = "Holds kernel threads at named points of IOMMU probing, and audits DMA"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://LICENSES/GPL-2.0-only.txt;md5=b234ee4d69f5fce4486a80fdaf4a4263"

require dmarace.inc
SRC_URI += "file://Makefile;subdir=git"

inherit module

RPROVIDES:${PN} += "kernel-module-dmarace"
