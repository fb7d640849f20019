#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Lets farms run dmarace: LAVA's dispatcher and labgrid, each with a job that loses a race, one
# that loses none and one that kills its board, and looks at what they report.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/farms.sh lava|labgrid [--out DIR]

Runs late-probe (red), instance-lookup (green) and type-vs-remove (kills the board) on debian:7 and
compares what the farm says with that. Takes dmarace-vm in $DMARACE_BUILD (default: build/release)
and build/arm64. Packages it misses are installed by apt, as root; else it is skipped (77).
  --out DIR  keeps images and logs [a temporary directory]
TEXT
}

die() {
    echo "farms.sh: $*" >&2
    exit 1
}

# need PROGRAM PACKAGE..
need() {
    local program=$1
    shift
    command -v "$program" >/dev/null && return
    [ "$(id -u)" = 0 ] || { echo "farms.sh: skipped: $program is not installed: apt-get install $*" >&2; exit 77; }
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends -y "$@" >&2 ||
        { echo "farms.sh: skipped: cannot install $*" >&2; exit 77; }
}

# lava NAME COMMAND: runs it, and leaves its log in $out/NAME.log; the code is lava-run's
lava() {
    local name=$1 code=0
    sed -e "s|@IMAGES@|file://$out/images|; s|@NAME@|$name|; s|@COMMAND@|$2|" packaging/lava/job.yaml \
        >"$out/$name.yaml"
    lava-run --job-id "dmarace-$$-$name" --output-dir "$out/$name" --device packaging/lava/device.yaml \
        --dispatcher packaging/lava/dispatcher.yaml "$out/$name.yaml" >"$out/$name.log" 2>&1 || code=$?
    return $code
}

# results NAME: what LAVA kept of it, "CASE RESULT" a line
results() {
    /usr/bin/python3 - "$out/$1.log" <<'PY'
import sys, yaml
for line in open(sys.argv[1], errors="replace"):
    if '"lvl": "results"' in line:
        said = yaml.safe_load(line)["msg"]
        print(said["definition"], said["case"], said["result"], said.get("error_type", ""))
PY
}

# has NAME LINE..: LAVA's results have these lines
has() {
    local name=$1 line all
    shift
    all=$(results "$name")
    for line in "$@"; do
        grep -qE "^$line *\$" <<<"$all" || die "$name: LAVA has no result '$line' but
$all
See $out/$name.log"
    done
    echo "$name: $(grep -c . <<<"$all") results, among them:"
    printf '  %s\n' "$@"
}

check_lava() {
    need lava-run lava-dispatcher
    lava green "run instance-lookup --iterations 3" || die "green: lava-run failed: see $out/green.log"
    has green '0_green iteration-3 pass' '0_green outside-iterations pass' '0_green verdict pass' 'lava job pass'
    lava red "run late-probe --iterations 3" || die "red: lava-run failed: see $out/red.log"
    has red '0_red iteration-1 fail' '0_red iteration-3 fail' '0_red verdict fail' 'lava job pass'
    if lava dying "run instance-lookup type-vs-remove --iterations 2 --unsafe"; then
        die "dying: lava-run says that all was well: see $out/dying.log"
    fi
    has dying '0_dying iteration-2 pass' '0_dying verdict pass' 'lava job fail .*'
    grep -q '"lvl": "target".*Kernel panic' "$out/dying.log" || die "dying: nobody saw it die: see $out/dying.log"
    grep -q 'Received signal: <STARTTC> iteration-1' "$out/dying.log" || die "dying: what began was not told"
}

# outcome NAME: of a test, by what pytest wrote
outcome() {
    /usr/bin/python3 - "$out/pytest.xml" "$1" <<'PY'
import sys, xml.etree.ElementTree as tree
for case in tree.parse(sys.argv[1]).iter("testcase"):
    if case.get("name") == sys.argv[2]:
        bad = [child for child in case if child.tag in ("failure", "error")]
        print(bad[0].get("message") if bad else "passed")
PY
}

# says NAME PATTERN..
says() {
    local name=$1 pattern told
    shift
    told=$(outcome "$name")
    for pattern in "$@"; do
        grep -qE "$pattern" <<<"$told" || die "$name: pytest says '$told', not '$pattern': see $out/pytest.log"
    done
    echo "$name: $(head -c 200 <<<"$told" | head -n 3)"
}

check_labgrid() {
    need labgrid-client labgrid python3-labgrid python3-pytest
    LG_DMARACE_IMAGES=$out/images PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -p no:cacheprovider \
        --lg-env packaging/labgrid/environment.yaml --junitxml "$out/pytest.xml" packaging/labgrid \
        >"$out/pytest.log" 2>&1 && die "labgrid: all tests passed: see $out/pytest.log"
    says test_instance_lookup '^passed$'
    says test_late_probe 'Race' 'not ok 3 late-probe iteration 3'
    says test_type_vs_remove 'BoardDied' 'Kernel panic' 'ok 2 instance-lookup iteration 2'
    ! grep '^ERROR ' "$out/pytest.log" || die "labgrid: what a test stands on failed: see $out/pytest.log"
}

what=${1:---help} out=
case $what in
lava | labgrid) shift ;;
-h | --help) usage && exit 0 ;;
*) usage >&2 && exit 2 ;;
esac
while [ $# -gt 0 ]; do
    [ "$1" = --out ] && [ $# -gt 1 ] || { usage >&2; exit 2; }
    out=$(realpath -m "$2")
    shift 2
done
if [ -z "$out" ]; then
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
fi
mkdir -p "$out"
packaging/farm/image.sh "$out/images" virtio-iommu debian:7 >&2
"check_$what"
echo "farms.sh: $what reports each as what it is"
