package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/template"

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

// languageKey is the key under which words have their language.
const languageKey = "language"

// wordsOf returns what is said in a language. In Chinese that is also what reason
// codes mean, for which English has the errors' own texts.
func wordsOf(language string) words {
	w := readWords("messages." + language)
	if language == chinese {
		maps.Copy(w, readWords("reasons.zh"))
	}
	w[languageKey] = language
	return w
}

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

// say returns a text, with the arguments in it: errors and words in the same language.
// A text that is missing is its key: the tests have none.
func (w words) say(key string, args ...any) string {
	text, ok := w[key]
	if !ok {
		text = key
	}
	if len(args) == 0 {
		return text
	}
	said := slices.Clone(args)
	for i, a := range args {
		switch a := a.(type) {
		case error:
			said[i] = w.explain(a)
		case word:
			said[i] = w.word(a)
		}
	}
	return fmt.Sprintf(text, said...)
}

// translate gives a command line's help texts in Chinese.
func translate(app *kong.Application, help, w words) {
	app.Help = help["about"] + "\n\n" + help["about.settings"]
	eachHelp(app.Node, func(keys []string, text *string) {
		for _, key := range keys {
			if t, ok := help[key]; ok {
				*text = strings.ReplaceAll(t, `\n`, "\n")
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
// that it may have in the catalogue. A detail is a command's longer text.
func eachHelp(n *kong.Node, found func(keys []string, text *string)) {
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
		eachHelp(c, found)
	}
}

// helpFrame are the lines that the parser's help is made of.
var helpFrame = map[string]string{"Flags:": "help.flags", "Arguments:": "help.arguments", "Commands:": "help.commands"}

var helpMore = regexp.MustCompile(`^Run "(.*)" for more information.*\.$`)

// page prints a text of the catalogue that fills a page, with the facts in it.
func (p *process) page(name string, facts any) error {
	t, err := template.ParseFS(textFiles, "texts/"+name+"."+p.words[languageKey]+".txt")
	if err != nil {
		return err
	}
	return t.Execute(p.out, facts)
}

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

// usageErrors are what the parser says of a command line that is wrong. Group inner is
// itself such a text; 0: none is.
var usageErrors = []struct {
	form  *regexp.Regexp
	key   string
	inner int
}{
	{regexp.MustCompile(`^(.*), did you mean (?:one of )?(.*)\?$`), "usage.did_you_mean", 1},
	{regexp.MustCompile(`^(.*) \(from envar (.*)\)$`), "usage.from_environment", 1},
	{regexp.MustCompile(`^(--\S+|\[?<\S+>(?: \.\.\.)?\]?): (.*)$`), "usage.of", 2},
	{regexp.MustCompile(`^unexpected argument (.*)$`), "usage.unexpected", 0},
	{regexp.MustCompile(`^unknown flag (.*)$`), "usage.unknown_flag", 0},
	{regexp.MustCompile(`^missing flags: (.*)$`), "usage.missing_flags", 0},
	{regexp.MustCompile(`^missing positional arguments (.*)$`), "usage.expected", 0},
	{regexp.MustCompile(`^missing value, expecting "(.*)"$`), "usage.missing_value", 0},
	{regexp.MustCompile(`^expected duration but got (\S+).*$`), "usage.duration", 0},
	{regexp.MustCompile(`^expected (?:an int|a valid \d+ bit u?int) but got (.*)$`), "usage.int", 0},
	{regexp.MustCompile(`^expected "<key>=<value>" but got (.*)$`), "usage.pair", 0},
	{regexp.MustCompile(`^expected \S+ value but got "EOL" .*$`), "usage.no_value", 0},
	{regexp.MustCompile(`^expected \S+ value but got (.*?) \(.*$`), "usage.value", 0},
	{regexp.MustCompile(`^expected one of (.*)$`), "usage.expected_one", 0},
	{regexp.MustCompile(`^expected (.*)$`), "usage.expected", 0},
	{regexp.MustCompile(`^(\S+) must be one of (.*) but got (.*)$`), "usage.must_be", 0},
	{regexp.MustCompile(`^bool value must be .* but got (.*)$`), "usage.bool", 0},
	{regexp.MustCompile(`^parsing time (".*?").*$`), "usage.time", 0},
}

// usageError returns what is wrong with a command line, or with a file of settings.
func (w words) usageError(err error) string {
	if e, ok := errors.AsType[*refusal](err); ok {
		return w.explain(e)
	}
	return w.parserError(err.Error())
}

// parserError returns what the parser says.
func (w words) parserError(text string) string {
	for _, e := range usageErrors {
		m := e.form.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		args := make([]any, 0, len(m)-1)
		for i, part := range m[1:] {
			if i+1 == e.inner {
				part = w.parserError(part)
			}
			args = append(args, part)
		}
		return w.say(e.key, args...)
	}
	return w.say("error.technical", text)
}

// language is languageOf this process.
func language(args []string) string { return languageOf(args, os.Getenv) }
