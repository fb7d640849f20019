# SPDX-License-Identifier: GPL-2.0-or-later
# Cross building with Debian's multiarch packages; on an arm64 host the native
# compiler is the same one.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
find_program(DMARACE_ARM64_CC aarch64-linux-gnu-gcc REQUIRED)
find_program(DMARACE_ARM64_CXX aarch64-linux-gnu-g++ REQUIRED)
set(CMAKE_C_COMPILER ${DMARACE_ARM64_CC})
set(CMAKE_CXX_COMPILER ${DMARACE_ARM64_CXX})
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
