package texts

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"yizheng.internal/signing/journal"
)

// Translate gives a command line's help texts in Chinese.
func Translate(app *kong.Application, help, w Words) {
	app.Help = help["about"] + "\n\n" + help["about.settings"]
	EachHelp(app.Node, func(keys []string, text *string) {
		for _, key := range keys {
			if t, ok := help[key]; ok {
				*text = strings.ReplaceAll(strings.ReplaceAll(t, `\n`, "\n"), "{actions}", Actions())
				return
			}
		}
	})
	var groups func(n *kong.Node)
	groups = func(n *kong.Node) {
		for _, f := range n.Flags {
			if f.Group != nil && f.Group.Title == "Settings:" {
				f.Group.Title = w["help.settings"]
			}
		}
		for _, c := range n.Children {
			groups(c)
		}
	}
	groups(app.Node)
}

// Actions returns the names of the actions that leave events, for a help text: a line or
// more for each thing that they are done to.
func Actions() string {
	var b strings.Builder
	before, column := "", 0
	for _, k := range journal.Actions() {
		if k.Log == "" {
			continue
		}
		thing, _, _ := strings.Cut(string(k.Action), ".")
		switch {
		case before == "" || thing != before || column+len(k.Action) > 90:
			b.WriteString("\n  ")
			column = 2
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(string(k.Action))
		column += len(k.Action)
		before = thing
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// EachHelp calls found with each help text of a node and those below, and the keys
// that it may have in the catalogue. A detail is a command's longer text.
func EachHelp(n *kong.Node, found func(keys []string, text *string)) {
	path := strings.TrimPrefix(strings.TrimPrefix(n.FullPath(), "yizheng"), " ")
	if i := strings.IndexByte(path, '<'); i >= 0 {
		path = strings.TrimSpace(path[:i])
	}
	if path != "" {
		found([]string{path}, &n.Help)
	}
	if n.Detail != "" {
		found([]string{path + " detail"}, &n.Detail)
	}
	value := func(name string, text *string) {
		found([]string{strings.TrimSpace(path + " " + name), name}, text)
	}
	for _, f := range n.Flags {
		if !f.Hidden {
			value("--"+f.Name, &f.Help)
		}
	}
	for _, a := range n.Positional {
		value("<"+a.Name+">", &a.Help)
	}
	for _, c := range n.Children {
		EachHelp(c, found)
	}
}

// helpFrame are the lines that the parser's help is made of.
var helpFrame = map[string]string{"Flags:": "help.flags", "Arguments:": "help.arguments", "Commands:": "help.commands"}

var helpMore = regexp.MustCompile(`^Run "(.*)" for more information.*\.$`)

// Framed returns the parser's help with its own lines in the language of w.
func (w Words) Framed(help []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(help) {
		text := strings.TrimRight(string(line), "\n")
		switch m := helpMore.FindStringSubmatch(text); {
		case helpFrame[text] != "":
			text = w.Say(helpFrame[text])
		case strings.HasPrefix(text, "Usage: "):
			text = w.Say("help.usage", strings.TrimPrefix(text, "Usage: "))
		case m != nil:
			text = w.Say("help.more", m[1])
		}
		out.WriteString(text + "\n")
	}
	return out.Bytes()
}
