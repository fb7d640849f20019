# SPDX-License-Identifier: GPL-2.0-or-later
# What the scripts of the disk board's tests share: each check is one line, "ok
# NAME" or "not ok NAME", which the test looks for.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
failed=0

# check NAME COMMAND.. : the command has to succeed.
check() {
    name=$1
    shift
    if "$@" >/tmp/check.out 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name: $*"
        sed 's/^/#   /' /tmp/check.out
        failed=1
    fi
}

# until_true SECONDS COMMAND.. : tries it until it succeeds.
until_true() {
    tries=$(($1 * 5))
    shift
    while [ $tries -gt 0 ]; do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.2
        tries=$((tries - 1))
    done
    return 1
}

says() { # says FILE TEXT
    grep -qF -- "$2" "$1"
}

none() { # none COMMAND.. : the command has to fail
    ! "$@"
}

client=0000:00:02.0
root=0000:00:03.0
