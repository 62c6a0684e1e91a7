#!/bin/sh
# Puts Apache ECharts where the dashboard's other files are, so that the next
# build holds it and pages draw their charts with it. It comes from npm, in the
# version and with the hashes of scripts/charts/package-lock.json, and is not
# committed. Without it the program builds as well, and pages draw their charts
# themselves.
set -eu

cd "$(dirname "$0")/.."
from=scripts/charts
to=internal/web/asset/charts

if ! command -v npm >/dev/null; then
	echo "there is no npm: the program will be built without ECharts, and its pages draw their charts themselves" >&2
	exit 3
fi
# "version" in the lock file's entry of echarts.
version="$(sed -n '/"node_modules\/echarts"/,/}/s/.*"version": "\(.*\)".*/\1/p' "$from/package-lock.json")"
if [ -f "$to/echarts.js" ] && [ "$(cat "$to/VERSION" 2>/dev/null)" = "$version" ]; then
	echo "ECharts $version is in $to"
	exit
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cp "$from/package.json" "$from/package-lock.json" "$work"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
mkdir -p "$to"
# LICENSE and NOTICE go where the code goes.
for file in LICENSE NOTICE; do
	cp "$work/node_modules/echarts/$file" "$to/$file"
done
cp "$work/node_modules/echarts/dist/echarts.esm.min.mjs" "$to/echarts.js"
printf '%s\n' "$version" >"$to/VERSION"
echo "ECharts $version is in $to"
