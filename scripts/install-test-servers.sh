#!/bin/sh
# Installs the servers that the tests talk to into .tools/bin of this
# repository, where the tests look for them. It needs Go and nothing else, and
# does nothing for a server that is already there in the right version.
set -eu

cd "$(dirname "$0")/.."
bin="$PWD/.tools/bin"

# install_go NAME MODULE PACKAGE VERSION builds a Go program, unless the binary
# in place says of itself that it was built from that version.
install_go() {
	if [ -x "$bin/$1" ] && go version -m "$bin/$1" 2>/dev/null | awk '$1 == "mod" { print $2, $3 }' | grep -qxF "$2 $4"; then
		echo "$1 $4 is in $bin"
		return
	fi
	echo "building $1 $4 into $bin (this takes minutes the first time)"
	mkdir -p "$bin"
	GOBIN="$bin" go install "$3@$4"
	echo "$1 $4 is in $bin"
}

# S3: a gateway over a folder that honours conditional writes.
install_go versitygw github.com/versity/versitygw github.com/versity/versitygw/cmd/versitygw v1.8.0
