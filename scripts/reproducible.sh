#!/usr/bin/env bash
# Builds the program and the Lambda functions twice, from two folders, and
# compares the bytes: nothing of a folder, a time or a machine is in them.
# Without an argument all are built; "lambda" leaves the program out, which
# links DuckDB and takes longer.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build() { # folder
  (
    cd "$1"
    for arch in amd64 arm64; do
      CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build -trimpath -buildvcs=false -tags lambda.norpc -ldflags '-s -w -buildid= -X main.version=reproducible' -o "$1.out/lambda-$arch" ./cmd/athenatrail-lambda
    done
    if [ "$2" != lambda ]; then
      CGO_ENABLED=1 go build -trimpath -buildvcs=false -ldflags '-s -w -buildid= -X github.com/athenatrail/athenatrail/internal/cli.Version=reproducible' -o "$1.out/athenatrail" ./cmd/athenatrail
    fi
  )
}
for folder in one "two and a longer name"; do
  mkdir -p "$work/$folder" "$work/$folder.out"
  git ls-files -z | tar --null -T - -cf - | tar -xf - -C "$work/$folder"
  build "$work/$folder" "${1:-all}"
done
cd "$work"
(cd one.out && sha256sum ./*) >sums
cat sums
cd "two and a longer name.out" && sha256sum --quiet -c ../sums && echo "both builds have the same bytes"
