package texts

import (
	"errors"
	"regexp"
)

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

// UsageError returns what is wrong with a command line, or with a file of settings.
func (w Words) UsageError(err error) string {
	if e, ok := errors.AsType[*refused](err); ok {
		return w.Explain(e)
	}
	return w.parserError(err.Error())
}

// parserError returns what the parser says.
func (w Words) parserError(text string) string {
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
		return w.Say(e.key, args...)
	}
	return w.Say("error.technical", text)
}
