#!/usr/bin/env bash
# Runs the program and compares what it says.
set -eu

expected='gatepost 0.1.0, errors of gatepost.smtp
<a@example.test> domain: example.test
<> null sender
a@example.test error: address is not enclosed in <>'
output=$("$1" '<a@example.test>' '<>' 'a@example.test')
[[ $output == "$expected" ]] || {
  echo "$output"
  exit 1
}
