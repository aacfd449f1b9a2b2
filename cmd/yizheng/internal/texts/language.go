// Package texts is what commands say to people, in Chinese and English. Texts stand in files,
// by keys; [Words] are those of one language. An error of a command is a key with arguments
// ([Refuse], or [Usage] where the command line is wrong), so that it is said in the language
// of whoever reads it; errors of other packages are said by their reason codes, or by the
// phrases that these packages use. The parser's help and complaints are translated here, too.
package texts

import (
	"embed"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// The languages of what commands say to people. Logs, what programs read, and exit
// codes are the same in each.
const (
	English = "en"
	Chinese = "zh"
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
		if ok && (value == English || value == Chinese) {
			return value
		}
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := env(name); value != "" {
			if strings.HasPrefix(strings.ToLower(value), Chinese) {
				return Chinese
			}
			return English
		}
	}
	return English
}

// textFiles are the catalogue.
//
//go:embed *.txt
var textFiles embed.FS

// Words are texts by their keys.
type Words map[string]string

// LanguageKey is the key under which words have their language.
const LanguageKey = "language"

// WordsOf returns what is said in a language. In Chinese that is also what reason
// codes mean, for which English has the errors' own texts.
func WordsOf(language string) Words {
	w := Read("messages." + language)
	if language == Chinese {
		maps.Copy(w, Read("reasons.zh"))
	}
	w[LanguageKey] = language
	return w
}

// Read returns the texts of a file of the catalogue, by its name without the ending.
func Read(name string) Words {
	text, err := textFiles.ReadFile(name + ".txt")
	if err != nil {
		panic(err) // it is in the program
	}
	w := Words{}
	for line := range strings.Lines(string(text)) {
		if key, text, ok := strings.Cut(strings.TrimSpace(line), " = "); ok && !strings.HasPrefix(line, "#") {
			w[key] = text
		}
	}
	return w
}

// Say returns a text, with the arguments in it: errors and words in the same language.
// A text that is missing is its key: the tests have none.
func (w Words) Say(key string, args ...any) string {
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
			said[i] = w.Explain(a)
		case Word:
			said[i] = w.Word(a)
		case time.Time:
			said[i] = Moment(a)
		}
	}
	return fmt.Sprintf(text, said...)
}

// Language is languageOf this process.
func Language(args []string) string { return languageOf(args, os.Getenv) }
