#!/usr/bin/env bash
# Runs govulncheck, whose database is on the internet. Where that cannot be
# reached, it says so and does not fail: no answer is not a finding.
set -u
out=$(go run "$1" ./... 2>&1)
code=$?
if [ $code -ne 0 ] && grep -qE 'dial tcp|no such host|connection refused|Forbidden|vuln.go.dev' <<<"$out" && ! grep -q 'Vulnerability #' <<<"$out"; then
  echo "govulncheck: not checked: its database cannot be reached"
  exit 0
fi
echo "$out"
exit $code
