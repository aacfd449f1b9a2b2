# Sourced before each example of the documentation: what stands in it is run by
# bash as it stands, and these functions stand for what a reader sees for
# themselves. $SCRATCH is a folder that only the test uses.
set -aeEuo pipefail
trap 'echo "$BASH_SOURCE:$LINENO: exit code $?" >&2' ERR

# curl fails where the service refuses, and keeps the status for answered.
curl() {
	local code=0
	command curl --fail-with-body --silent --show-error --noproxy '*' --max-time 30 --dump-header "$SCRATCH/header" "$@" || code=$?
	sed -nE 's/^HTTP\/[0-9.]+ ([0-9]+).*/\1/p' "$SCRATCH/header" | tail -n 1 >"$SCRATCH/status"
	return "$code"
}
# answered STATUS: the last request was answered so, as the document says.
answered() {
	local was
	was=$(cat "$SCRATCH/status")
	[ "$was" = "$1" ] || { echo "the status is $was, and not $1" >&2 && return 1; }
}
# exits CODE COMMAND… expects the exit code that the document states.
exits() {
	local want=$1 code=0
	shift
	"$@" || code=$?
	[ "$code" = "$want" ] || { echo "the exit code is $code, and not $want" >&2 && return 1; }
}
# serves COMMAND… has the test start the service, for it runs until it is stopped.
serves() {
	shift
	printf '%s\0' "$@" >"$SCRATCH/serves"
}
