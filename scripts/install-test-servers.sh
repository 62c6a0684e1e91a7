#!/bin/sh
# Installs the servers that the tests talk to into .tools of this repository,
# where the tests look for them. It needs Go, Python 3.10 or newer with venv or
# pip for moto, the AWS CLI and sqlglot, Java 17 with Maven for Trino, and Debian's or
# Ubuntu's packages for a mail server and, with the right to install them, for
# Chromium. It does nothing for what is already there in the right version.
set -eu

cd "$(dirname "$0")/.."
tools="$PWD/.tools"
bin="$tools/bin"
constraints="$PWD/scripts/moto-constraints.txt"

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

# moto_command writes the command that starts moto. It finds moto by its own
# place, so that the clone may be moved or come out of a cache.
moto_command() {
	cat >"$bin/moto_server.new" <<'END'
#!/bin/sh
# Written by scripts/install-test-servers.sh.
set -eu
dir="$(cd "$(dirname "$0")/../moto" && pwd)"
python="$dir/bin/python"
if [ ! -x "$python" ]; then
	python=python3
	export PYTHONPATH="$dir/lib"
fi
if [ "${1:-}" = --installed ]; then
	"$python" -c 'from importlib.metadata import version; import moto.server; print(version("moto"), end=" ")'
	exec cat "$dir/extras"
fi
if [ "${MOTO_ENDS_WITH_STDIN:-}" = 1 ]; then
	# A test that is killed cannot end its server: the pipe to it ends then.
	exec "$python" -c '
import os, sys, threading
def wait():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=wait, daemon=True).start()
from moto.server import main
main(sys.argv[1:])' "$@"
fi
exec "$python" -m moto.server "$@"
END
	chmod +x "$bin/moto_server.new"
	mv "$bin/moto_server.new" "$bin/moto_server"
}

# install_moto VERSION EXTRAS puts moto into a virtual environment of its own,
# or where Python has no venv into a plain folder, and a command that starts it
# into bin.
install_moto() {
	dir="$tools/moto"
	if [ -f "$dir/extras" ]; then
		moto_command
	fi
	if [ -x "$bin/moto_server" ] && [ "$("$bin/moto_server" --installed 2>/dev/null)" = "$1 $2" ]; then
		echo "moto $1 is in $dir"
		return
	fi
	if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
		echo "moto needs Python 3.10 or newer as python3, and there is none: tests that need moto will not run" >&2
		return 1
	fi
	echo "installing moto $1 into $dir (this takes a minute or two)"
	export PIP_DISABLE_PIP_VERSION_CHECK=1
	rm -rf "$dir" "$bin/moto_server"
	mkdir -p "$bin"
	log="$tools/moto.log"
	if python3 -m venv "$dir" >"$log" 2>&1; then
		set -- "$1" "$2" "$dir/bin/python" -m pip install --quiet
	elif python3 -m pip --version >>"$log" 2>&1; then
		rm -rf "$dir"
		set -- "$1" "$2" python3 -m pip install --quiet --target "$dir/lib"
	else
		cat "$log" >&2
		echo "moto needs Python's venv or pip; on Debian and Ubuntu: apt-get install python3-venv" >&2
		return 1
	fi
	version=$1 extras=$2
	shift 2 # what is left is the command that installs
	if ! "$@" --constraint "$constraints" "moto[$extras]==$version" >"$log" 2>&1; then
		echo "not with the releases of $constraints; trying the newest:"
		tail -n 3 "$log"
		"$@" "moto[$extras]==$version"
	fi
	rm -f "$log"
	printf '%s\n' "$extras" >"$dir/extras"
	moto_command
	if [ "$("$bin/moto_server" --installed)" != "$version $extras" ]; then
		echo "moto does not start as installed in $dir" >&2
		return 1
	fi
	echo "moto $version is in $dir"
}

# SQS, SNS, IAM, Step Functions and CloudFormation, as far as moto imitates
# them: docs/testing.md says where it differs from AWS.
install_moto 5.2.5 server,cloudformation,stepfunctions,sqs,sns,iam,s3

# install_exim unpacks Debian's mail server, and a library that shows it a user
# of its own, into a folder. Nothing of it is installed into the system, and it
# runs as whoever starts it, on whatever port.
install_exim() {
	dir="$tools/exim"
	if [ -x "$bin/exim4" ] && "$bin/exim4" --installed >/dev/null 2>&1; then
		echo "exim $("$bin/exim4" --installed) is in $dir"
		return
	fi
	if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
		echo "exim comes from Debian's or Ubuntu's packages, and there is no apt-get: tests that need a mail server will not run" >&2
		return
	fi
	echo "unpacking exim into $dir"
	rm -rf "$dir" "$bin/exim4"
	mkdir -p "$dir/packages" "$bin"
	if ! fetch_packages exim4-daemon-light libnss-wrapper; then
		# A new machine has no list of packages yet.
		if ! { [ "$(id -u)" -eq 0 ] && apt-get -qq update && fetch_packages exim4-daemon-light libnss-wrapper; }; then
			echo "apt-get download does not find exim4-daemon-light and libnss-wrapper: after apt-get update it may" >&2
			return 1
		fi
	fi
	# Libraries that the system lacks, under the names of this release or the next.
	for lib in libnsl2 libgnutls-dane0 libgnutls-dane0t64 libunbound8 libidn12 libdb5.3 libdb5.3t64; do
		if ldd "$dir/usr/sbin/exim4" | grep -q 'not found'; then
			fetch_packages "$lib" || true
		fi
	done
	rm -rf "$dir/packages"
	chmod u-s "$dir/usr/sbin/exim4" # or it takes no library from us
	cat >"$bin/exim4.new" <<'END'
#!/bin/sh
# Written by scripts/install-test-servers.sh.
set -eu
dir="$(cd "$(dirname "$0")/../exim" && pwd)"
lib="$(dirname "$(find "$dir" -name libnss_wrapper.so | head -n 1)")"
if [ "${1:-}" = --installed ]; then
	test -e "$lib/libnss_wrapper.so"
	exec cat "$dir/version"
fi
export LD_LIBRARY_PATH="$lib" LD_PRELOAD="$lib/libnss_wrapper.so"
exec "$dir/usr/sbin/exim4" "$@"
END
	chmod +x "$bin/exim4.new"
	mv "$bin/exim4.new" "$bin/exim4"
	echo "exim $("$bin/exim4" --installed) is in $dir"
}

# fetch_packages NAME... downloads Debian packages and unpacks them into dir.
fetch_packages() {
	(cd "$dir/packages" && apt-get -qq -o APT::Sandbox::User=root download "$@" >/dev/null 2>&1) || return 1
	for package in "$dir"/packages/*.deb; do
		dpkg-deb -x "$package" "$dir"
		case "$package" in
		*/exim4-daemon-light_*) dpkg-deb -f "$package" Version >"$dir/version" ;;
		esac
		rm "$package"
	done
}

# SMTP: a mail server as people run one.
install_exim

# install_python FOLDER REQUIREMENT COMMAND [ARGUMENT ...] puts a package of Python
# into a virtual environment of its own, or where Python has no venv into a plain
# folder, and a command that runs that Python with the arguments into bin. It
# finds its folder by its own place, so that the clone may be moved.
install_python() {
	dir="$tools/$1"
	requirement="$2"
	command="$3"
	name="$1"
	shift 3
	echo "installing $requirement into $dir"
	rm -rf "$dir" "$bin/$command"
	mkdir -p "$bin"
	if python3 -m venv "$dir" >/dev/null 2>&1; then
		"$dir/bin/python" -m pip install --quiet --disable-pip-version-check "$requirement"
	else
		rm -rf "$dir"
		python3 -m pip install --quiet --disable-pip-version-check --target "$dir/lib" "$requirement"
	fi
	cat >"$bin/$command.new" <<END
#!/bin/sh
# Written by scripts/install-test-servers.sh.
set -eu
dir="\$(cd "\$(dirname "\$0")/../$name" && pwd)"
python="\$dir/bin/python"
if [ ! -x "\$python" ]; then
	python=python3
	export PYTHONPATH="\$dir/lib"
fi
exec "\$python" $* "\$@"
END
	chmod +x "$bin/$command.new"
	mv "$bin/$command.new" "$bin/$command"
}

# install_aws VERSION installs the AWS CLI.
install_aws() {
	if [ "$("$bin/aws" --version 2>/dev/null | cut -d ' ' -f 1)" = "aws-cli/$1" ]; then
		echo "the AWS CLI $1 is in $tools/awscli"
		return
	fi
	install_python awscli "awscli==$1" aws -m awscli
	"$bin/aws" --version
}

# The AWS CLI, whose validate-logs gives the verdicts that ours are compared
# with.
install_aws 1.46.3

# install_sqlglot VERSION installs the SQL parser that definitions are tried with,
# and a Python that finds it.
install_sqlglot() {
	if [ "$("$bin/sqlglot_python" -c 'import sqlglot; print(sqlglot.__version__)' 2>/dev/null)" != "$1" ]; then
		install_python sqlglot "sqlglot==$1" sqlglot_python
	fi
	echo "sqlglot $("$bin/sqlglot_python" -c 'import sqlglot; print(sqlglot.__version__)') is in $tools/sqlglot"
}

# A parser of Hive's and Trino's SQL.
install_sqlglot 30.30.0

# install_chromium installs Debian's package, and fonts for what pages say. Tests
# look for it on PATH.
install_chromium() {
	for name in chromium chromium-browser google-chrome; do
		if command -v "$name" >/dev/null; then
			echo "$name is in $(command -v "$name")"
			return
		fi
	done
	if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
		echo "there is no chromium, and only root can install it, where there is apt-get (apt-get install chromium fonts-dejavu-core): tests that look at the dashboard will not run" >&2
		return 1
	fi
	echo "installing chromium (this takes a minute or two)"
	log="$tools/chromium.log"
	if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium fonts-dejavu-core; } >"$log" 2>&1; then
		tail -n 5 "$log" >&2
		return 1
	fi
	rm -f "$log"
	echo "chromium is in $(command -v chromium)"
}

install_chromium

# install_trino VERSION puts together a Trino out of what Maven Central has of
# it: the coordinator and the Hive connector, as scripts/trino/pom.xml says.
install_trino() {
	dir="$tools/trino"
	if [ -f "$dir/lib/trino-main-$1.jar" ] && [ -d "$dir/plugin/trino-hive-$1" ] && cmp -s "$PWD/scripts/trino/Trino.java" "$dir/Trino.java"; then
		echo "trino $1 is in $dir"
		return
	fi
	if ! command -v mvn >/dev/null || ! command -v java >/dev/null; then
		echo "Trino needs java (17) and mvn, and there are none: tests that need Trino will not run" >&2
		return 1
	fi
	echo "installing trino $1 into $dir (300 MB: this takes some minutes)"
	rm -rf "$dir"
	mvn --batch-mode --quiet --file "$PWD/scripts/trino/pom.xml" -Dtrino.version="$1" -Dinto="$dir" package
	cp "$PWD/scripts/trino/Trino.java" "$dir/Trino.java"
	echo "trino $1 is in $dir"
}

# Trino 435 is the last that runs on Java 17.
install_trino 435
