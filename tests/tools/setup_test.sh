#!/usr/bin/env bash
# Tests tools/setup with a dpkg-query of our own, so that nothing is ever installed.
set -u

failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

bin=$TEST_TMPDIR/bin
mkdir -p "$bin"
PATH=$bin:$PATH

# Which packages dpkg-query is to report: all it is asked for but those in $absent.
cat >"$bin/dpkg-query" <<'END'
#!/usr/bin/env bash
for name in "$@"; do
  [[ $name == -* || " $absent " == *" $name "* ]] || echo "installed $name"
done
END
# Who runs it: root, or whom $uid names.
cat >"$bin/id" <<'END'
#!/bin/sh
echo "${uid:-0}"
END
# Nothing may come so far as to install.
cat >"$bin/apt-get" <<'END'
#!/bin/sh
echo apt-get "$@" >>"$TEST_TMPDIR/apt"
exit 1
END
# Where too little is free, when $free says so.
cat >"$bin/df" <<'END'
#!/bin/sh
printf 'Avail\n%s\n' "${free:-99999999}"
END
chmod +x "$bin"/*
export absent=''

output=$(tools/setup 2>&1) || fail "exit status $? when nothing is missing"
[[ -z $output ]] || fail "not quiet when nothing is missing: $output"

absent='libidn2-dev swaks'
output=$(uid=1000 tools/setup 2>&1)
status=$?
((status == 2)) || fail "exit status $status when not root"
[[ $output == *'not root'*'apt-get install --no-install-recommends libidn2-dev swaks' ]] ||
  fail "does not name what is missing: $output"

absent='clang-19'
output=$(tools/setup --build 2>&1) || fail "--build misses a package that is only for tests"
output=$(free=1000 tools/setup 2>&1)
status=$?
((status == 2)) || fail "exit status $status when the disk is full"
[[ $output == *'MiB are needed' ]] || fail "does not say what space is needed: $output"

output=$(tools/setup --unknown 2>&1) && fail "takes an unknown option"
[[ $output == *--help* ]] || fail "does not say where help is: $output"
tools/setup --help | grep -q -- --build || fail "--help does not tell of --build"
tools/setup --list | grep -q '^build | g++ .*| .' || fail "--list gives no reason for g++"
duplicates=$(tools/setup --names | sort | uniq -d)
[[ -z $duplicates ]] || fail "named twice: $duplicates"
[[ ! -e $TEST_TMPDIR/apt ]] || fail "called $(cat "$TEST_TMPDIR/apt")"

exit $((failures > 0))
