#!/usr/bin/env bash
# Compares the public headers at hand with those that a module's library gives its users.
set -u

found=0 missing=0
while read -r header; do
  found=$((found + 1))
  label=//${header%/*}:${header##*/}
  grep -qxF "$label" tests/standalone/module_headers && continue
  echo "$header: in no module; gatepost_module() has to come last in ${header%/*}/BUILD.bazel"
  missing=$((missing + 1))
done < <(find -L smtp checks routing -name '*.hpp' ! -path '*/detail/*' ! -path '*/impl/*' | sort)

echo "$found public headers, $missing in no module"
exit $((found == 0 || missing > 0))
