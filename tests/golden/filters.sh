# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What golden.sh and board.sh do to texts, so that a recording has each word once.

# sections FILE DIR SUFFIX: each '##### NAME [+FRAGMENT]..' of a corpus becomes the file
# DIR/NAMESUFFIX. '===== FRAGMENT' begins lines that many files have; '+FRAGMENT TEXT' stands
# for them, with TEXT for each $*.
sections() {
    awk -v dir="$2" -v suffix="$3" '
        function put(line,  name, text, rest, at) {
            name = substr(line, 2); sub(/ .*/, "", name)
            if (line !~ /^\+/ || !(name in fragment)) { print line > file; return }
            rest = substr(line, length(name) + 3)
            for (text = fragment[name]; (at = index(text, "$*")) > 0; text = substr(text, at + 2))
                printf "%s%s", substr(text, 1, at - 1), rest > file
            printf "%s", text > file
        }
        /^===== / { name = $2; file = ""; next }
        /^##### / {
            if (file) close(file)
            file = dir "/" $2 suffix
            folder = file; sub(/\/[^\/]*$/, "", folder); system("mkdir -p \"" folder "\"")
            printf "" > file
            for (i = 3; i <= NF; ++i) put($i)
            next
        }
        file == "" { fragment[name] = fragment[name] $0 "\n"; next }
        { put($0) }' "$1"
}

# as_written DIR: what stands in a job's file in DIR is called by its key, and helps and steps
# by their number there, in what is said below '##### .. run JOB ..'.
as_written() {
    awk -v dir="$1" '
        function load(job,  file, line, key, text) {
            n = 0
            split("", count)
            name = job
            for (file = dir "/" job ".toml"; (getline line < file) > 0;) {
                if (line ~ /^#/) continue
                key = line ~ /steps|^ / ? "step" : line ~ /^summary/ ? "summary" : line ~ /^source/ ? "source" : line ~ /help *=/ ? "help" : ""
                if (key == "") continue
                if (key == "help") sub(/.*help *= */, "", line)
                while (match(line, /"[^"]*"/)) {
                    text = substr(line, RSTART + 1, RLENGTH - 2); line = substr(line, RSTART + RLENGTH)
                    ++n; written[n] = text; kind[n] = key; ++count[key]
                    what[n] = key == "step" || key == "help" ? key " " count[key] : key
                }
            }
            close(file)
            next_step = 1
        }
        # The place of the step in the file, from the one after the last on.
        function step(text,  i, k) {
            for (k = 0; k < n; ++k) {
                i = (next_step - 1 + k) % n + 1
                if (kind[i] == "step" && written[i] == text) { next_step = i + 1; return "<" what[i] ">" }
            }
            return text
        }
        /^##### / && match($0, / run [a-z-]+ --/) { load(substr($0, RSTART + 5, RLENGTH - 8)); print; next }
        /^##### / { n = 0; name = "" }
        n == 0 { print; next }
        {
            line = $0
            if (match(line, /^  +([0-9]+  )?/)) {
                text = substr(line, RLENGTH + 1); said = step(text)
                if (said != text) { print substr(line, 1, RLENGTH) said; next }
            }
            for (i = 1; i <= n; ++i)
                if (kind[i] != "step" && (at = index(line, written[i])) > 0 && at + length(written[i]) > length(line))
                    line = substr(line, 1, at - 1) "<" what[i] ">"
            if (index(line, name ":") == 1) line = "<name>" substr(line, length(name) + 1)
            if ((at = index(line, "/" name ".toml")) > 0) line = substr(line, 1, at) "<name>" substr(line, at + 1 + length(name))
            print line
        }'
}

# as_reported REPORT: comments that stand in a report as well, in its order, are not written
# out again.
as_reported() {
    awk 'NR == FNR { sub(/^ +/, ""); reported[NR] = $0; lines = NR; next }
        match($0, /^# +/) {
            for (i = at + 1; i <= lines; ++i)
                if (reported[i] == substr($0, RLENGTH + 1)) {
                    at = i; print substr($0, 1, RLENGTH) "<as reported>"; next
                }
        }
        { print }' "$1" -
}

# exits: '[exit N]' below a command comes to stand behind it.
exits() {
    awk 'function flush() { if (head != "") print head; printf "%s", text; head = text = "" }
        /^##### / { flush(); head = $0; next }
        /^\[exit [0-9]+\]$/ { head = head " " $0; next }
        { text = text $0 "\n" }
        END { flush() }'
}

# once: two lines or more that stand further up, in the same order, become one that says how
# many they are and of which '##### COMMAND'. One that changes is seen where it stands first.
once() {
    awk '
        { line[NR] = $0; if (/^##### /) { at = substr($0, 7); sub(/ \[exit [0-9]+\]$/, "", at) } head[NR] = at }
        END {
            for (i = 1; i <= NR; i += best ? best : 1) {
                best = from = 0
                n = line[i] ~ /^##### / ? 0 : split(where[line[i], line[i + 1]], before, " ")
                for (k = 1; k <= n; ++k) {
                    j = before[k]
                    for (same = 0; j + same < i && i + same <= NR && line[j + same] == line[i + same] && line[i + same] !~ /^##### /;) ++same
                    if (same > best && same > 1) { best = same; from = j }
                }
                if (best) {
                    said = said (said ? ", " : "<<< ") best " lines of " head[from]
                } else {
                    if (said) print said
                    print line[i]
                    said = ""
                }
                for (k = i; k < i + (best ? best : 1); ++k) where[line[k], line[k + 1]] = where[line[k], line[k + 1]] " " k
            }
            if (said) print said
        }'
}
