package texts

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// phrase is the text of an error that has no code: the format, as it stands in the
// package that says it, and what it is in Chinese, with $1 for its first verb.
type phrase struct {
	format, text string
	form         *regexp.Regexp
	wraps        []bool // by verb: whether it wraps an error
}

var verbs = regexp.MustCompile(`%[-+ #0-9.]*[a-zA-Z]`)

// phrasesOf reads a file of phrases.
func phrasesOf(name string) (all []phrase) {
	text, err := textFiles.ReadFile(name + ".txt")
	if err != nil {
		panic(err) // it is in the program
	}
	for line := range strings.Lines(string(text)) {
		format, text, ok := strings.Cut(strings.TrimSpace(line), " => ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		p := phrase{format: format, text: text}
		form, end := "(?s)^", 0
		for _, at := range verbs.FindAllStringIndex(format, -1) {
			form += regexp.QuoteMeta(format[end:at[0]]) + "(.+?)"
			end = at[1]
			p.wraps = append(p.wraps, format[at[1]-1] == 'w')
		}
		p.form = regexp.MustCompile(form + regexp.QuoteMeta(format[end:]) + "$")
		all = append(all, p)
	}
	return all
}

var chinesePhrases = sync.OnceValue(func() []phrase {
	return append(phrasesOf("phrases.zh"), phrasesOf("system.zh")...)
})

// Phrase returns the text of an error by what it says in English. err is the error,
// or nil if only its text is known.
func (w Words) Phrase(text string, err error) (string, bool) {
	if w[LanguageKey] != Chinese || text == "" {
		return "", false
	}
	for _, p := range chinesePhrases() {
		m := p.form.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		for i, wraps := range p.wraps {
			if wraps {
				m[i+1] = w.within(err, m[i+1])
			} else if word, ok := w.Phrase(m[i+1], nil); ok {
				m[i+1] = word
			}
		}
		said := p.text
		for i := len(m) - 1; i > 0; i-- {
			said = strings.ReplaceAll(said, fmt.Sprintf("$%d", i), m[i])
		}
		return said, true
	}
	return "", false
}

// within returns the text of the error in err's chain whose English text is inner.
func (w Words) within(err error, inner string) string {
	if e := below(err, inner); e != nil {
		return w.Explain(e)
	}
	if text, ok := w.Phrase(inner, nil); ok {
		return text
	}
	return w.Say("error.technical", inner)
}

// below returns the error in a chain whose English text is text.
func below(err error, text string) error {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		err = e.Unwrap()
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if one.Error() == text {
				return one
			}
			if found := below(one, text); found != nil {
				return found
			}
		}
		return nil
	default:
		return nil
	}
	if err == nil || err.Error() == text {
		return err
	}
	return below(err, text)
}
