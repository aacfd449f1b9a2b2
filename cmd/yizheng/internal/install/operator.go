package install

import (
	"os"
	"os/user"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/oidc"
)

// Operator is who acts through a command, and in the demo.
const Operator = "cli"

// maxOperator is how long an operator's name may be, in characters.
const maxOperator = 64

// CheckOperator refuses a name that couldn't be read in a list of events.
func CheckOperator(name string) error {
	odd := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if utf8.RuneCountInString(name) > maxOperator || strings.ContainsFunc(name, odd) || strings.TrimSpace(name) != name {
		return texts.Usage("settings.operator", maxOperator)
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

// ActorID returns who acts, as events have it: the name that was given, or that of
// the operating system's user as far as it can be read.
func ActorID(given string) string {
	if given != "" {
		return Operator + ":" + given
	}
	name := []rune(strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, osUser())))
	return Operator + ":" + string(name[:min(len(name), maxOperator)])
}

// Actor is who acts, for the provider's events.
func (in *Installation) Actor() oidc.Actor { return oidc.Actor{ID: in.Operator} }
