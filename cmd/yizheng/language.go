package main

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// The languages of what commands say to people. Logs, what programs read, and exit
// codes are the same in each.
const (
	english = "en"
	chinese = "zh"
)

// languageOf returns the language that a command line asks for with --lang, or else
// the environment, as POSIX orders its variables.
func languageOf(args []string, env func(string) string) string {
	for i, a := range args {
		value, ok := strings.CutPrefix(a, "--lang=")
		if a == "--lang" && i+1 < len(args) {
			value, ok = args[i+1], true
		}
		if a == "--" {
			break
		}
		if ok && (value == english || value == chinese) {
			return value
		}
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := env(name); value != "" {
			if strings.HasPrefix(strings.ToLower(value), chinese) {
				return chinese
			}
			return english
		}
	}
	return english
}

// textFiles are the catalogue.
//
//go:embed texts/*.txt
var textFiles embed.FS

// words are texts by their keys.
type words map[string]string

// wordsOf returns what is said in a language.
func wordsOf(language string) words { return readWords("messages." + language) }

func readWords(name string) words {
	text, err := textFiles.ReadFile("texts/" + name + ".txt")
	if err != nil {
		panic(err) // it is in the program
	}
	w := words{}
	for line := range strings.Lines(string(text)) {
		if key, text, ok := strings.Cut(strings.TrimSpace(line), " = "); ok && !strings.HasPrefix(line, "#") {
			w[key] = text
		}
	}
	return w
}

// say returns a text, with the arguments in it. One that is missing is its key: the
// tests have none.
func (w words) say(key string, args ...any) string {
	text, ok := w[key]
	if !ok {
		text = key
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// translate gives a command line's help texts in Chinese.
func translate(app *kong.Application, help, w words) {
	app.Help = help["about"] + "\n\n" + help["about.settings"]
	eachHelp(app.Node, func(keys []string, text *string) {
		for _, key := range keys {
			if t, ok := help[key]; ok {
				*text = t
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

// eachHelp calls found with each help text of a node and those below, and the keys
// that it may have in the catalogue.
func eachHelp(n *kong.Node, found func(keys []string, text *string)) {
	path := strings.TrimPrefix(strings.TrimPrefix(n.FullPath(), "yizheng"), " ")
	if i := strings.IndexByte(path, '<'); i >= 0 {
		path = strings.TrimSpace(path[:i])
	}
	if path != "" {
		found([]string{path}, &n.Help)
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
		if !c.Hidden {
			eachHelp(c, found)
		}
	}
}

// helpFrame are the lines that the parser's help is made of.
var helpFrame = map[string]string{"Flags:": "help.flags", "Arguments:": "help.arguments", "Commands:": "help.commands"}

var helpMore = regexp.MustCompile(`^Run "(.*)" for more information.*\.$`)

// framed returns the parser's help with its own lines in the language of w.
func (w words) framed(help []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(help) {
		text := strings.TrimRight(string(line), "\n")
		switch m := helpMore.FindStringSubmatch(text); {
		case helpFrame[text] != "":
			text = w.say(helpFrame[text])
		case strings.HasPrefix(text, "Usage: "):
			text = w.say("help.usage", strings.TrimPrefix(text, "Usage: "))
		case m != nil:
			text = w.say("help.more", m[1])
		}
		out.WriteString(text + "\n")
	}
	return out.Bytes()
}

// usageErrors are what the parser says of a command line that is wrong.
var usageErrors = []struct {
	form *regexp.Regexp
	key  string
}{
	{regexp.MustCompile(`^unexpected argument (.*)$`), "usage.unexpected"},
	{regexp.MustCompile(`^unknown flag (.*)$`), "usage.unknown_flag"},
	{regexp.MustCompile(`^missing flags: (.*)$`), "usage.missing_flags"},
	{regexp.MustCompile(`^expected one of (.*)$`), "usage.expected_one"},
	{regexp.MustCompile(`^expected (.*)$`), "usage.expected"},
	{regexp.MustCompile(`^(\S+) must be one of (.*) but got (.*)$`), "usage.must_be"},
}

// usageError returns what is wrong with a command line. What the settings' own checks
// say is in English, with the name of the setting.
func (w words) usageError(err error) string {
	for _, e := range usageErrors {
		if m := e.form.FindStringSubmatch(err.Error()); m != nil {
			args := make([]any, 0, len(m)-1)
			for _, part := range m[1:] {
				args = append(args, part)
			}
			return w.say(e.key, args...)
		}
	}
	return err.Error()
}

// language is languageOf this process.
func language(args []string) string { return languageOf(args, os.Getenv) }
