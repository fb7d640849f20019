#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# man.sh PROGRAM DIR: the man pages of a program below DIR, one for it and one for each command
# that has a page of its own, as 'PROGRAM help --man' says them.
set -eu
page() ( # NAME WORD..
    name=$1
    shift
    "$program" help --man "$@" >"$dir/page"
    section=$(sed -n 's/^\.TH [^ ]* \([0-9]\).*/\1/p' "$dir/page")
    mkdir -p "$dir/man$section"
    mv "$dir/page" "$dir/man$section/$name.$section"
)
program=$1 dir=$2
name=${program##*/}
mkdir -p "$dir"
page "$name"
[ "$name" = dmarace ] || exit 0
for command in $("$program" --help | sed -n 's/^  \([a-z][a-z]*\)  *[^ ].*/\1/p'); do
    page "$name-$command" "$command"
done
