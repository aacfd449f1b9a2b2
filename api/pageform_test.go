package api

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Whatever page a form is of, nothing in it counts that comes twice, nor in its address.
func TestFormsWithAFieldTwice(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browserOf(t)
	tried := 0
	for _, pattern := range s.mux.patterns {
		path, posts := strings.CutPrefix(pattern, "POST ")
		if !posts || strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/oauth/") {
			continue // the API has no forms, and OAuth's have answers of their own
		}
		tried++
		for name, send := range map[string]func() int{
			"body":    func() int { return b.Post(s.url+path, url.Values{"act": {"other", "cancel"}}).Status },
			"address": func() int { return b.Post(s.url+path+"?client=a&client=b", url.Values{"act": {"cancel"}}).Status },
		} {
			if status := send(); status != 400 {
				t.Errorf("%s of %s: %d", name, path, status)
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d forms in %v", tried, s.mux.patterns)
	}
}

// Of two licenses chosen for a material neither is released; the form as it stands is good.
func TestConsentWithAChoiceTwice(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	second := s.issue(t, "样例第二号")
	p := s.consent(t)
	field := "license-operator-certificate"
	choices := p.Choices(field)
	if len(choices) != 3 || !strings.Contains(choices[0], second.ID) {
		t.Fatalf("choices: %v", choices)
	}
	f := p.Form("approve")
	for name, values := range map[string][]string{
		"two licenses": choices[:2], "one twice": {choices[0], choices[0]}, "one, and none": {choices[0], "none"}, "none, and one": {"none", choices[0]},
	} {
		f.Values[field] = values
		if got := f.Send(); got.Status != 400 || got.To != nil {
			t.Errorf("%s: %d, to %v", name, got.Status, got.To)
		}
	}
	for _, name := range []string{"act", "form", "shown", "token", "recurring"} {
		f.Values[field] = choices[:1]
		before := slices.Clone(f.Values[name])
		f.Values[name] = append(f.Values[name], "x", "y")[:2]
		if got := f.Send(); got.Status != 400 || got.To != nil {
			t.Errorf("%s twice: %d, to %v", name, got.Status, got.To)
		}
		if f.Values[name] = before; before == nil {
			delete(f.Values, name)
		}
	}
	f.Values[field] = choices[1:2]
	if g := s.granted(t, f.Send()); !strings.Contains(choices[1], g.Materials[0].License) {
		t.Errorf("granted %+v of %v", g, choices)
	}
}
