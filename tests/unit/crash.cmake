# SPDX-License-Identifier: GPL-2.0-or-later
find_package(nlohmann_json REQUIRED)
dmarace_unit_test(crash
    SOURCES crash/books.cpp crash/growth.cpp unit/crash_books.cpp unit/crash_growth.cpp
    LINKS dmarace_options nlohmann_json::nlohmann_json)
