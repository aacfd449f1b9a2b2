package web

import (
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Language is a language of the pages, by its tag of BCP 47.
type Language string

const (
	Chinese Language = "zh-CN"
	English Language = "en"
)

// Languages returns the languages of the pages, the default first.
func Languages() []Language { return []Language{Chinese, English} }

// ParseLanguage returns the language of ours that a tag of BCP 47 asks for.
func ParseLanguage(tag string) (l Language, ok bool) {
	primary := strings.ToLower(strings.TrimSpace(tag))
	if i := strings.IndexAny(primary, "-_"); i >= 0 { // en_US is no language tag, but many send it
		primary = primary[:i]
	}
	switch primary {
	case "zh":
		return Chinese, true
	case "en":
		return English, true
	}
	return "", false
}

// ChooseLanguage returns the language that an Accept-Language header asks for
// most, of ours, or the default.
func ChooseLanguage(header string) Language {
	best, weight := Chinese, 0.0
	for i, part := range strings.SplitN(header, ",", 33) {
		if i == 32 {
			break
		}
		tag, params, _ := strings.Cut(part, ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(v, 64); err != nil || math.IsNaN(q) || q > 1 {
				continue
			}
		}
		if l, ok := ParseLanguage(tag); ok && q > weight {
			best, weight = l, q
		}
	}
	return best
}

// texts are the texts of one language, by key. A text names the values that are
// put into it in braces: {n}. Where a word depends on a number, both of its forms
// follow the number's name, that for one first: {n:minute|minutes}.
type texts map[string]string

func readTexts(l Language) (texts, error) {
	b, err := files.ReadFile("texts/" + string(l) + ".json")
	if err != nil {
		return nil, err
	}
	var t texts
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, fmt.Errorf("texts of %s: %w", l, err)
	}
	return t, nil
}

// Text returns a text that needs no values, or "" if there is none with that key.
func (p *Pages) Text(l Language, key string) string { return p.texts[l][key] }

// Has reports whether there is a text with that key. All languages have the
// same keys.
func (p *Pages) Has(key string) bool { return p.texts[Chinese][key] != "" }

// Keys returns the keys of all texts, in order.
func (p *Pages) Keys() []string { return slices.Sorted(maps.Keys(p.texts[Chinese])) }

var placeholder = regexp.MustCompile(`\{([a-z]+)(?::([^{}|]*)\|([^{}|]*))?\}`)

// text returns a text with values, given in pairs of name and value.
func (t texts) text(key string, pairs ...any) (string, error) {
	return t.fill(key, pairs, func(value string) string { return value }, func(s string) string { return s })
}

// said marks what a page in another language says in Chinese, such as a person's
// name, so that a screen reader says it right.
func (l Language) said(s string) template.HTML {
	text := template.HTMLEscapeString(s)
	if l != Chinese && strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		text = `<span lang="` + string(Chinese) + `">` + text + "</span>"
	}
	return template.HTML(text)
}

// list is said of several, one after the other.
func (l Language) list(all []string) template.HTML {
	said := make([]string, len(all))
	for i, s := range all {
		said[i] = string(l.said(s))
	}
	return template.HTML(strings.Join(said, l.mark("、", ", ")))
}

// apart writes parts of a license with what they are called.
func (l Language) apart(parts []Part) template.HTML {
	said := make([]string, len(parts))
	for i, p := range parts {
		said[i] = string(l.said(p.Title)) + l.mark("：", ": ") + string(l.said(l.value(p.Value)))
	}
	return template.HTML(strings.Join(said, l.mark("；", "; ")))
}

// mark is a punctuation mark of the language.
func (l Language) mark(chinese, other string) string {
	if l == Chinese {
		return chinese
	}
	return other
}

// around returns text with each value said between two tags.
func (t texts) around(l Language, begin, end string) func(key string, pairs ...any) (template.HTML, error) {
	return func(key string, pairs ...any) (template.HTML, error) {
		s, err := t.fill(key, pairs, func(value string) string { return begin + string(l.said(value)) + end }, template.HTMLEscapeString)
		return template.HTML(s), err
	}
}

func (t texts) fill(key string, pairs []any, show, plain func(string) string) (string, error) {
	text, ok := t[key]
	if !ok {
		return "", fmt.Errorf("there is no text %q", key)
	}
	var b strings.Builder
	end := 0
	for _, at := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		b.WriteString(plain(text[end:at[0]]))
		end = at[1]
		name := text[at[2]:at[3]]
		value, ok := valueOf(pairs, name)
		switch {
		case !ok:
			return "", fmt.Errorf("text %q lacks the value %s", key, name)
		case at[4] < 0:
			b.WriteString(show(value))
		case value == "1":
			b.WriteString(plain(text[at[4]:at[5]]))
		default:
			b.WriteString(plain(text[at[6]:at[7]]))
		}
	}
	b.WriteString(plain(text[end:]))
	return b.String(), nil
}

func valueOf(pairs []any, name string) (string, bool) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] == name {
			return fmt.Sprint(pairs[i+1]), true
		}
	}
	return "", false
}

// period says how long something takes, in whole minutes from one minute on.
func (t texts) period(seconds int) string {
	key, n := "period.seconds", seconds
	switch {
	case seconds >= 2*3600:
		key, n = "period.hours", (seconds+3599)/3600
	case seconds > 90:
		key, n = "period.minutes", (seconds+59)/60
	}
	s, err := t.text(key, "n", n)
	if err != nil {
		return strconv.Itoa(seconds)
	}
	return s
}

// civil is the time of all of China.
var civil = time.FixedZone("UTC+8", 8*60*60)

// day writes a date, given as 2006-01-02. Anything else stays as it is.
func (l Language) day(iso string) string {
	t, err := time.Parse(time.DateOnly, iso)
	if err != nil {
		return iso
	}
	if l == English {
		return t.Format("2 January 2006")
	}
	return t.Format("2006年1月2日")
}

// value writes a face field's value: a date as the page writes dates, anything
// else as it is.
func (l Language) value(s string) string {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return l.moment(t)
	}
	return l.day(s)
}

// moment writes a time, as clocks in China show it.
func (l Language) moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(civil)
	return l.day(t.Format(time.DateOnly)) + t.Format(" 15:04")
}
