package rest

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/web"
)

// textsOf returns the texts of the documentation that are to be there in each
// language, and the others: descriptions of operations, parameters and members.
func textsOf(m *openapi.Manual) (needed, others []string) {
	needed = slices.Clone(m.Text)
	for _, g := range m.Groups {
		needed = append(needed, g.Name, g.Text)
		for _, o := range g.Operations {
			needed, others = append(needed, o.Summary), append(others, o.Text)
			for _, a := range o.Others {
				sentence, _, _ := strings.Cut(a.Text, " `")
				needed = append(needed, sentence)
			}
			for _, p := range o.Parameters {
				others = append(others, p.Description)
			}
		}
	}
	for _, r := range slices.Concat(m.Reasons, m.SignOn) {
		needed = append(needed, r.Text)
	}
	for _, s := range m.Schemas {
		for _, member := range s.Members {
			others = append(others, member.Text)
		}
	}
	return unique(needed), unique(others)
}

func unique(texts []string) []string {
	slices.Sort(texts)
	return slices.DeleteFunc(slices.Compact(texts), func(s string) bool { return s == "" })
}

var ideograph = regexp.MustCompile(`\p{Han}`)

// TestManualIsInChinese names each text of the documentation that should be there in
// Chinese and isn't, and each that is there and stands nowhere.
func TestManualIsInChinese(t *testing.T) {
	t.Parallel()
	doc, pages := describe(t)
	m := doc.Manual()
	needed, others := textsOf(&m)
	for _, text := range needed {
		said := pages.Manual(web.Chinese, text)
		if said == text || !ideograph.MatchString(said) {
			t.Errorf("not in Chinese: %q", text)
		}
		if pages.Manual(web.English, text) != text {
			t.Errorf("in English it is another: %q", text)
		}
	}
	for _, text := range pages.ManualTexts() {
		said := pages.Manual(web.Chinese, text)
		if !slices.Contains(needed, text) && !slices.Contains(others, text) {
			t.Errorf("stands nowhere: %q", text)
		}
		if a, b := strings.Count(text, "`"), strings.Count(said, "`"); a != b {
			t.Errorf("%q has %d backquotes, %q %d", text, a, said, b)
		}
	}
	left := 0
	for _, text := range others {
		if pages.Manual(web.Chinese, text) == text && !ideograph.MatchString(text) {
			left++
		}
	}
	t.Logf("%d texts are in Chinese; of %d descriptions %d are in English alone", len(pages.ManualTexts()), len(others), left)
}
