# Sourced by what needs the tools of .ci/tools.txt. It puts the Node.js that
# .ci/install brought first on the PATH, if there is one.
#
# shellcheck shell=bash
tools_list=$(dirname "${BASH_SOURCE[0]}")/tools.txt
node_pinned=$(dirname "${BASH_SOURCE[0]}")/node

# node_folder prints where .ci/install keeps the Node.js of .ci/node: one folder
# for each version of that one.
node_folder() {
	echo "${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/yizheng/node-$(cksum <"$node_pinned/package-lock.json" | cut -d ' ' -f 1)"
}

# tool_path ALTERNATIVES prints where a tool is: of several files the newest.
tool_path() {
	local one found alternatives
	IFS=, read -ra alternatives <<<"$1"
	for one in "${alternatives[@]}"; do
		case $one in
		/*) found=$(compgen -G "$one" | sort -V | tail -n 1) ;;
		*) found=$(command -v "$one") ;;
		esac || true
		[ -z "$found" ] || { echo "$found" && return; }
	done
	return 1
}

# tool_version PATH ARGUMENT prints the first number of what the tool says of
# itself: some color it.
tool_version() {
	timeout 30 "$1" "$2" </dev/null 2>/dev/null | sed 's/\x1b\[[0-9;]*m//g' | grep -oE '[0-9]+(\.[0-9]+)*' | head -n 1
}

# lacking ALTERNATIVES LEAST ARGUMENT says why a tool can't be used, or nothing.
lacking() {
	local path version
	if ! path=$(tool_path "$1"); then
		echo "${1%%,*} is missing"
	elif [ -n "${2-}" ]; then
		version=$(tool_version "$path" "$3") || version=unknown
		if [ "$(printf '%s\n%s\n' "$2" "$version" | sort -V | head -n 1)" != "$2" ]; then
			echo "$path is version $version, older than $2"
		fi
	fi
}

# lacking_packages [PACKAGE…] prints a line for each package of the list, or each
# of those named, whose tool is missing or too old: the package, and why.
lacking_packages() {
	local package there least by why
	while read -r package there least by; do
		case $package in '' | '#'*) continue ;; esac
		[ $# -eq 0 ] || [[ " $* " = *" $package "* ]] || continue
		why=$(lacking "$there" "$least" "$by")
		[ -z "$why" ] || echo "$package $why"
	done <"$tools_list"
}

# tool_of PACKAGE prints where the package's tool is.
tool_of() {
	tool_path "$(awk -v package="$1" '$1 == package { print $2 }' "$tools_list")"
}

if [ -x "$(node_folder)/bin/node" ]; then
	PATH=$(node_folder)/bin:$PATH
	export PATH
fi
