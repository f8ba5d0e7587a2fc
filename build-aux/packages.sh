# packages.sh: the Debian packages that ./run and ./test need, and their installation. To be sourced.

# To build, and to run nginx around it.
BUILD_PACKAGES="gcc make autoconf automake pkg-config libc6-dev libfcgi-dev libjson-c-dev libjwt-dev
libsqlite3-dev libev-dev libssl-dev libcrypt-dev libinih-dev libsystemd-dev libseccomp-dev
libcurl4-openssl-dev libhiredis-dev"
RUN_PACKAGES="nginx curl openssl"
# With clang: its sanitizers and libFuzzer.
CLANG_PACKAGES="libclang-rt-14-dev"
# To test.
TEST_PACKAGES="libcmocka-dev python3 python3-pytest python3-websockets python3-bcrypt mandoc xz-utils
sqlite3 spawn-fcgi procps systemd node-eventsource redis-server iproute2 iptables faketime stunnel4
chromium chromium-driver python3-selenium
nodejs node-ws node-react node-react-test-renderer node-typescript mypy python3-setuptools python3-wheel
python3-pip python3-venv build-essential debhelper fakeroot lintian apache2-bin libapache2-mod-fcgid lighttpd
python3-fastapi python3-uvicorn python3-httpx python3-jwt python3-jsonschema python3-yaml"
# Node.js from elsewhere brings npm itself, and does not go with Debian's.
command -v npm >/dev/null || TEST_PACKAGES="$TEST_PACKAGES npm"
# To test the package in a Debian of its own, with --long.
LONG_PACKAGES="debootstrap"
# To measure: what Milepost stands beside.
BENCH_PACKAGES="python3 python3-websockets libnginx-mod-nchan python3-fastapi python3-uvicorn python3-uvloop
python3-httptools"

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "$0: as root, please run: $*" >&2
		exit 1
	fi
}

# Installs what is missing of the named packages. Those of nginx, lighttpd and Redis would start servers of
# their own: while they are being installed, policy-rc.d (where nobody has one) forbids that.
install_missing() {
	missing=
	for package in "$@"; do
		is_installed "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	if ! command -v apt-get >/dev/null; then
		echo "$0: this is no Debian; please install what corresponds to:$missing" >&2
		return 1
	fi
	echo "installing:$missing"
	policy=/usr/sbin/policy-rc.d
	case " $missing " in
	*" nginx "* | *" lighttpd "* | *" redis-server "*) [ -e $policy ] && policy= ;;
	*) policy= ;;
	esac
	if [ -n "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' | as_root sh -c "cat >$policy && chmod 755 $policy"
	fi
	result=0
	as_root apt-get update -q >/dev/null &&
	    as_root env DEBIAN_FRONTEND=noninteractive \
	        apt-get install -y -q --no-install-recommends $missing >/dev/null || result=$?
	[ -z "$policy" ] || as_root rm -f "$policy"
	[ $result = 0 ] || echo "$0: the packages could not be installed:$missing" >&2
	return $result
}
