#!/usr/bin/env bash
# Nothing to run: that its data could be built is the test.
exit 0
