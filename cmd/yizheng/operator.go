package main

import (
	"os"
	"os/user"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"yizheng.internal/oidc"
)

// operator is who acts through a command, and in the demo.
const operator = "cli"

// maxOperator is how long an operator's name may be, in characters.
const maxOperator = 64

// checkOperator refuses a name that couldn't be read in a list of events.
func checkOperator(name string) error {
	odd := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if utf8.RuneCountInString(name) > maxOperator || strings.ContainsFunc(name, odd) || strings.TrimSpace(name) != name {
		return usage("settings.operator", maxOperator)
	}
	return nil
}

// osUser returns the name of whoever started the program: with sudo of who called
// that, as everybody is root then.
func osUser() string {
	if os.Getuid() == 0 {
		if name := os.Getenv("SUDO_USER"); name != "" {
			return name
		}
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid-" + strconv.Itoa(os.Getuid()) // as in containers, where nobody has a name
}

// actorID returns who acts, as events have it: the name that was given, or that of
// the operating system's user as far as it can be read.
func actorID(given string) string {
	if given != "" {
		return operator + ":" + given
	}
	name := []rune(strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, osUser())))
	return operator + ":" + string(name[:min(len(name), maxOperator)])
}

// actor is who acts, for the provider's events.
func (in *installation) actor() oidc.Actor { return oidc.Actor{ID: in.operator} }
