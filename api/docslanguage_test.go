package api

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/api/web"
)

// manualTexts returns the texts of the documentation that are to be there in each
// language, and the others: descriptions of operations, parameters and members.
func (m *manual) texts() (needed, others []string) {
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
	s := newService(t, serviceConfig{Empty: true})
	m := newStage(t, stageConfig{}).nodes[0].manual()
	needed, others := m.texts()
	for _, text := range needed {
		said := s.web.Manual(web.Chinese, text)
		if said == text || !ideograph.MatchString(said) {
			t.Errorf("not in Chinese: %q", text)
		}
		if s.web.Manual(web.English, text) != text {
			t.Errorf("in English it is another: %q", text)
		}
	}
	for _, text := range s.web.ManualTexts() {
		said := s.web.Manual(web.Chinese, text)
		if !slices.Contains(needed, text) && !slices.Contains(others, text) {
			t.Errorf("stands nowhere: %q", text)
		}
		if a, b := strings.Count(text, "`"), strings.Count(said, "`"); a != b {
			t.Errorf("%q has %d backquotes, %q %d", text, a, said, b)
		}
	}
	left := 0
	for _, text := range others {
		if s.web.Manual(web.Chinese, text) == text && !ideograph.MatchString(text) {
			left++
		}
	}
	t.Logf("%d texts are in Chinese; of %d descriptions %d are in English alone", len(s.web.ManualTexts()), len(others), left)
}

// TestManualLanguages: the page comes in the language that is asked for.
func TestManualLanguages(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{Empty: true})
	for _, c := range []struct{ path, accept, cookie, want string }{
		{"/docs", "", "", "zh-CN"}, {"/docs", "en-US,en;q=0.9,zh;q=0.1", "", "en"}, {"/docs", "zh-TW", "", "zh-CN"},
		{"/docs?ui_locales=en", "zh-CN", "", "en"}, {"/docs?ui_locales=fr+zh", "en", "", "zh-CN"}, {"/docs", "en", "zh-CN", "zh-CN"},
		{"/docs?ui_locales=en", "", "zh-CN", "en"}, {"/docs?ui_locales=%22%3E", "en", "", "en"},
	} {
		r := s.request(t, "GET", c.path, "")
		r.Header.Set("Accept-Language", c.accept)
		if c.cookie != "" {
			r.AddCookie(&http.Cookie{Name: s.cookieName(languageCookie), Value: c.cookie})
		}
		a := s.do(t, r)
		heading, other := "一证 接口文档</h1>", "ui_locales=en\""
		if c.want == "en" {
			heading, other = "一证 API</h1>", "ui_locales=zh-CN\""
		}
		if a.StatusCode != 200 || a.Header.Get("Content-Language") != c.want || !strings.Contains(a.body, `<html lang="`+c.want+`">`) ||
			!strings.Contains(a.body, heading) || !strings.Contains(a.body, other) || !strings.Contains(a.Header.Get("Vary"), "Accept-Language") {
			t.Errorf("%s for %q, cookie %q: %d in %s, varying by %s", c.path, c.accept, c.cookie, a.StatusCode, a.Header.Get("Content-Language"), a.Header.Get("Vary"))
		}
	}
}
