# SPDX-License-Identifier: GPL-2.0-or-later
# The programs say what may stand there: PROGRAM complete WORD..
function __dmarace_complete
    set -l words (commandline -opc)
    $words[1] complete $words[2..-1] "$(commandline -ct)" 2>/dev/null
end
for program in dmarace dmarace-vm dmarace-board
    complete -c $program -a '(__dmarace_complete)'
end
