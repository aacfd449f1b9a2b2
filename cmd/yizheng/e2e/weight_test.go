package e2e

import "testing"

// The login page comes with all that it needs in at most 50 KB, for an old phone on a slow network; and from this
// service alone.
func TestLoginWeight(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, phone)
	b.open(d.Departments[0].URL)
	b.click("#apply")
	b.waitFor("#phone")
	loaded := eval[[]struct {
		Name  string
		Bytes float64
	}](b, `performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource')).map(e => ({Name: e.name, Bytes: e.encodedBodySize}))`)
	total := 0.0
	for _, l := range loaded {
		t.Logf("%6.0f bytes: %s", l.Bytes, l.Name)
		total += l.Bytes
	}
	if total > 50_000 || len(loaded) < 3 || total < 1_000 {
		t.Errorf("the login page comes in %d parts of %.0f bytes together", len(loaded), total)
	}
}
