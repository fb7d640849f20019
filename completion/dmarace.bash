# SPDX-License-Identifier: GPL-2.0-or-later
# The programs say what may stand there: PROGRAM complete WORD..
_dmarace() {
    local words line=${COMP_LINE:0:COMP_POINT} last
    read -ra words <<<"$line"
    [[ $line != *[[:space:]] ]] || words+=("")
    mapfile -t COMPREPLY < <("${words[0]}" complete "${words[@]:1}" 2>/dev/null)
    # Readline has cut the word at these.
    last=${words[-1]}
    COMPREPLY=("${COMPREPLY[@]#"${last%"${last##*[=:]}"}"}")
    [[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace
}
complete -o default -F _dmarace dmarace dmarace-vm dmarace-board
