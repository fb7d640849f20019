# SPDX-License-Identifier: GPL-2.0-or-later
# Programs for amd64 boards: native on an amd64 host, cross built elsewhere.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
find_program(DMARACE_AMD64_CC x86_64-linux-gnu-gcc REQUIRED)
find_program(DMARACE_AMD64_CXX x86_64-linux-gnu-g++ REQUIRED)
set(CMAKE_C_COMPILER ${DMARACE_AMD64_CC})
set(CMAKE_CXX_COMPILER ${DMARACE_AMD64_CXX})
set(CMAKE_LIBRARY_ARCHITECTURE x86_64-linux-gnu)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/x86_64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
