# SPDX-License-Identifier: GPL-2.0-or-later
dmarace_unit_test(report SOURCES
    unit/report_journal.cpp unit/report_json.cpp unit/report_ktap.cpp unit/report_outcome.cpp
    unit/report_printable.cpp unit/report_summary.cpp unit/report_support.cpp
    LINKS dmarace_report)
