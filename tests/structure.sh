#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Holds the shape of the source tree: rooms that only look down, type names that
# are there once, facts that stand in one table, files of a readable size.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C

usage() {
    cat <<'TEXT'
usage: tests/structure.sh [--report] CHECK..
       tests/structure.sh --table

CHECK is one of
  rooms     a cycle in the graph of rooms, or an include that its links do not allow
  module    a call from a layer of the kernel module to one above it
  types     names of types that are defined more than once
  headers   headers with one user or none that are no border of a room
  literals  words of a table spelled outside of it
  sizes     files of code over 600 lines, lines of docs over 100 columns
  words     comments and names that the house does without
Exit code 1 with a line for each fault; with --report always 0.
--table prints files and lines by room.
TEXT
}

# Sources as git knows them, new ones too.
files() { git ls-files -co --exclude-standard -- "$@" | while read -r f; do [ ! -f "$f" ] || echo "$f"; done | sort -u; }
code() { files 'orchestrator/*.[ch]pp' 'vm/*.[ch]pp'; }

# A folder below orchestrator/ or vm/ is a room, the module one more.
rooms_of() { sed -E 's,^((orchestrator|vm)/[^/]+)/.*,\1,; t; s,^([^/]+)/.*,\1,'; }

# "ROOM ROOM FILE INCLUDED" of every include that leaves its room.
includes() {
    code | xargs grep -HoE '^#include "[^"]+"' | sed -E 's/:#include "(.*)"/ \1/' | awk '
        function room(file,  p) { split(file, p, "/"); return p[1] "/" (p[3] == "" ? "" : p[2]) }
        { target = $2 }
        target !~ /\// || target ~ /^(\.\.|kmod|tests)\// { next }
        target !~ /^vm\// { target = "orchestrator/" target }
        { a = room($1); b = room(target); sub(/\/$/, "", a); sub(/\/$/, "", b) }
        a != b { print a, b, $1, $2 }'
}

# "ROOM ROOM": what the rooms and programs of a CMakeLists.txt link to.
links() {
    files 'orchestrator/*CMakeLists.txt' 'vm/*CMakeLists.txt' | while read -r list; do
        dir=$(dirname "$list")
        sed 's/#.*//' "$list" | tr '\n' ' ' | sed 's/)/)\n/g' | awk -v dir="$dir" '
            { gsub(/[()]/, " & ") }
            /dmarace_room|add_executable/ {
                for (i = 1; i <= NF; ++i) if ($i ~ /^(dmarace_room|add_executable)$/) {
                    name = ($i == "dmarace_room" ? "dmarace_" : "") $(i + 2)
                    folder = dir "/" $(i + 2); sub(/vm_/, "", folder)
                    if ($i == "add_executable") folder = dir
                    for (j = i; j <= NF; ++j) if (match($j, /^[a-z]+\/[a-z_]*\.cpp/)) {
                        split($j, part, "/"); folder = dir "/" part[1] }
                    print "target", name, folder } }
            /dmarace_room|target_link_libraries/ {
                linking = 0; name = ""
                for (i = 1; i <= NF; ++i) {
                    if ($i ~ /^(dmarace_room|target_link_libraries)$/) {
                        name = ($i == "dmarace_room" ? "dmarace_" : "") $(i + 2)
                        linking = $i == "target_link_libraries"; ++i; ++i; continue }
                    if ($i == "LINKS") linking = 1
                    if (linking && $i ~ /^dmarace_/ && name != "") print "link", name, $i } }'
    done | sort -u | awk '
        $1 == "target" { at[$2] = at[$2] " " $3 }
        $1 == "link" { from[++n] = $2; to[n] = $3 }
        END { for (i = 1; i <= n; ++i) { a = split(at[from[i]], x, " "); b = split(at[to[i]], y, " ")
            for (j = 1; j <= a; ++j) for (k = 1; k <= b; ++k) if (x[j] != y[k]) print x[j], y[k] } }' | sort -u
}

# Lines of "A B" without a repetition, as "A > B C D".
graph() { sort -u | awk '{ to[$1] = to[$1] " " $2 } END { for (a in to) print a " >" to[a] }' | sort; }

# The members of cycles among lines of "A B".
cycles() { { tsort 2>&1 > /dev/null || true; } | sed -nE 's/^tsort: ([^ ]+\/[^ ]+|[a-z.]+)$/\1/p' | sort -u; }

# Pairs "A B" and all that follow from them.
closure() {
    awk '{ edge[$1, $2] = 1; name[$1]; name[$2] }
        END { for (k in name) for (i in name) if ((i, k) in edge) for (j in name) if ((k, j) in edge) edge[i, j] = 1
            for (e in edge) { split(e, p, SUBSEP); print p[1], p[2] } }'
}

check_rooms() {
    local included linked
    included=$(includes)
    linked=$(links)
    echo "includes:"
    cut -d' ' -f1,2 <<<"$included" | graph | sed 's/^/  /'
    echo "links:"
    graph <<<"$linked" | sed 's/^/  /'
    { cut -d' ' -f1,2 <<<"$included" && echo "$linked"; } | cycles | sed 's/^/FAULT in a cycle: /'
    awk 'NR == FNR { allowed[$1, $2]; next } !(($1, $2) in allowed) { print "FAULT looks up: " $3 " includes " $4 ", and its room does not link it" }' \
        <(closure <<<"$linked") <(echo "$included")
}

# A layer of the module is a header and the .c files that define what it declares.
check_module() {
    local headers
    headers=$(files 'kmod/*.h' | grep -vE '^kmod/[^/]+/|compat|arch')
    # shellcheck disable=SC2086
    awk '
        function layer(file) { sub(/.*\//, "", file); sub(/\.h$/, "", file); return file }
        FILENAME ~ /\.h$/ {
            if (/^(static|#|\t| \*|\/\*|extern struct|struct [a-z_]+ \{)/) next
            if (match($0, /[a-z_0-9]+\(/)) declared[substr($0, RSTART, RLENGTH - 1)] = layer(FILENAME)
            next }
        FNR == 1 { file = FILENAME }
        /^[a-z].*[a-z_0-9]+\([^;]*$/ && !/^(static|#|extern|module_|MODULE)/ {
            if (match($0, /[a-z_0-9]+\(/)) { f = substr($0, RSTART, RLENGTH - 1); if (f in declared) defines[file, declared[f]] = 1 } }
        { line = $0; sub(/\/\*.*/, "", line)
          while (match(line, /[a-z_0-9]+/)) { w = substr(line, RSTART, RLENGTH); line = substr(line, RSTART + RLENGTH)
              if (w in declared) uses[file, declared[w]] = 1 } }
        END { for (d in defines) { split(d, a, SUBSEP); n = ++of[a[1]]; own[a[1], n] = a[2] }
              for (u in uses) { split(u, b, SUBSEP)
                  for (i = 1; i <= of[b[1]]; ++i) if (own[b[1], i] != b[2] && !((b[1], b[2]) in defines)) print own[b[1], i], b[2], b[1] } }' \
        $headers $(files 'kmod/*.c' | grep -vE '^kmod/[^/]+/') | sort -u > "$work/module"
    echo "layers of the module:"
    cut -d' ' -f1,2 "$work/module" | graph | sed 's/^/  /'
    cut -d' ' -f1,2 "$work/module" | cycles | sed 's/^/FAULT in a cycle: kmod layer /'
}

check_types() {
    code | grep -v '^vm/image/guest/' | xargs grep -HnE '^ *(class|struct|enum class|enum) [A-Z][A-Za-z0-9]*( final)?( *: [^;]*)?( *\{.*)?$' |
        sed -E 's/^([^:]+):([0-9]+): *(class|struct|enum class|enum) ([A-Za-z0-9]+).*/\4 \1:\2/' | sort |
        awk '{ n[$1]++; at[$1] = at[$1] " " $2 } END { for (t in n) if (n[t] > 1) print "FAULT twice: " t at[t] }' | sort
}

check_headers() {
    local all
    all=$(files 'orchestrator/*.[ch]pp' 'vm/*.[ch]pp' 'tests/*.[ch]pp' | xargs grep -HoE '^#include "[^"]+"' | sed -E 's/:#include "(.*)"/ \1/')
    code | grep 'hpp$' | while read -r header; do
        path=${header#orchestrator/}
        awk -v path="$path" -v own="${header%.hpp}.cpp" -v base="${header##*/}" -v dir="${header%/*}" '
            $2 == path || ($2 == base && substr($1, 1, length(dir) + 1) == dir "/") || ($2 ~ /^\.\.\// && $2 ~ "/" base "$") {
                if ($1 != own) print $1 }' <<<"$all" > "$work/users"
        [ "$(wc -l < "$work/users")" -le 1 ] || continue
        if [ ! -s "$work/users" ]; then
            echo "FAULT no user but its own: $header"
        elif [ "$(rooms_of < "$work/users")" = "$(rooms_of <<<"$header")" ]; then
            echo "FAULT one user in its own room: $header ($(cat "$work/users"))"
        fi
    done
}

# spelled WHAT WORDS TABLES: a comparison with one of the words, outside its tables.
spelled() {
    local words
    words=$(sort -u <<<"$2" | paste -sd'|')
    [ -n "$words" ] || return 0
    code | grep -vE "$3" | xargs grep -nE "(==|!=) *\"($words)\"|\"($words)\" *(==|!=)|(starts_with|ends_with|find)\(\"($words)[ :]?\"\)|string_view [A-Za-z]+ *[={] *\"($words)\"" |
        grep -vE 'trigger\.action ==|kind == "(delay|type)" [?]' | # of udev, of dmarace new
        sed "s/^/FAULT a $1 outside its table: /; s/:  */: /" || true
}

# The words of the tables themselves.
verbs() { sed -nE 's/^DMARACE_VERB\([a-z_]+, "([a-z-]+)".*/\1/p' orchestrator/catalogue/verbs.def 2> /dev/null || true; }
kinds() { sed -nE 's/^ *ROW\([a-z_]+, *"([a-z-]+)".*/\1/p' orchestrator/catalogue/failures.hpp 2> /dev/null || true; }
# Requests, events and signals; without those that are words of other things as well.
contract() {
    sed -nE 's/^#define DMARACE_[VES]_[A-Z_]+[ \t]+"([a-z_]+)".*/\1/p' kmod/dmarace_abi.h |
        grep -vxE 'end|done|delay|signal|rule|actor|step'
}
run_files() { sed -nE 's/.*"([a-z-]+\.(jsonl|json|ktap|log)|reserve|boot-again)".*/\1/p' orchestrator/run/*.hpp 2> /dev/null || true; }

check_literals() {
    spelled 'step verb' "$(verbs)" '^orchestrator/catalogue/'
    spelled 'failure kind' "$(kinds)" '^orchestrator/catalogue/'
    spelled 'word of the contract' "$(contract)" '^orchestrator/catalogue/'
    local names
    names=$(run_files | sort -u | paste -sd'|')
    [ -n "$names" ] || return 0
    code | grep -v '^orchestrator/run/' | xargs grep -nE "\"([^\" ]*/)?($names)\"" |
        sed 's/^/FAULT a file of a run outside its table: /; s/:  */: /' || true
}

check_sizes() {
    files '*.[ch]' '*.[ch]pp' '*.S' '*.sh' '*.def' | xargs wc -l | awk '$2 != "total" && $1 > 600 { print "FAULT over 600 lines: " $2 " (" $1 ")" }'
    files "*.md" | LC_ALL=C.UTF-8 xargs grep -HnE ".{101,}" | sed -E "s,^([^:]+:[0-9]+):.*,FAULT over 100 columns: \1," || true
}

check_words() {
    files 'orchestrator/*' 'vm/*' 'kmod/*' 'tests/*' | grep -v '^tests/structure.sh$' |
        xargs grep -nE '(//|/?\*|#) *This file' | sed 's/^/FAULT an opening: /' || true
    code | xargs grep -nE '^ *(class|struct|enum class|enum) (Stage|Player|Doing|Told|Beside|Ground|Course|Sight)\b' |
        sed 's/^/FAULT a private word: /' || true
    # Also where a line ends between them.
    files 'orchestrator/*' 'vm/*' 'kmod/*' 'docs/*' README.md |
        xargs grep -zoiE '\b(put|puts|putting)[[:space:]*/#]+(off|back)\b' | tr '\0\n' '\n ' |
        sed 's/^/FAULT "deferred" and "restore" are the words: /' || true
}

table() {
    git ls-files -s | awk '$1 != "120000" { sub(/.*\t/, ""); print }' | awk '
        function room(f) { n = split(f, p, "/")
            if (n == 1) return "(top)"
            if ((p[1] == "orchestrator" || p[1] == "vm" || p[1] == "tests" || p[1] == "kmod") && n > 2) return p[1] "/" p[2]
            return p[1] }
        { r = room($0); files[r]++; all++; while ((getline line < $0) > 0) { lines[r]++; sum++; recorded += /^tests\/golden\/.*\.(txt|corpus)$/ } close($0) }
        END { for (r in files) printf "%-26s %5d %7d\n", r, files[r], lines[r] | "sort"; close("sort"); printf "%-26s %5d %7d\n", "all", all, sum
            printf "%-26s %5s %7d\n", "all but recordings", "", sum - recorded }'
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
report= checks=()
for word; do
    case $word in
    --report) report=1 ;;
    --table) table && exit 0 ;;
    rooms | module | types | headers | literals | sizes | words) checks+=("$word") ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done
[ ${#checks[@]} -gt 0 ] || { usage >&2; exit 2; }
for check in "${checks[@]}"; do "check_$check"; done | tee "$work/out"
faults=$(grep -c '^FAULT' "$work/out" || true)
echo "$faults faults"
[ -n "$report" ] || [ "$faults" = 0 ]
