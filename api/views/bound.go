package views

import (
	"slices"
	"strings"
	"unicode/utf8"

	"yizheng.internal/api/web"
)

// Bounds of what pages show. What a page cuts off stands whole on the license's own page.
const (
	maxTitle      = 40        // characters of what a part is called
	maxApartValue = 24        // characters of a part that tells a license from others
	maxValue      = 400       // characters of a value among several licenses
	maxValues     = 96 << 10  // bytes of all values of a consent's parts
	maxCards      = 160 << 10 // bytes of all whole licenses inside a consent
	maxNamed      = 2000      // titles of parts on a page of readings or grants
)

// cut returns the first characters of a text, and how many the whole has if that is more.
func cut(s string, most int) (short string, whole int) {
	if len(s) <= most {
		return s, 0
	}
	n := 0
	for i := range s {
		if n == most {
			return strings.TrimRight(s[:i], " \n") + "……", utf8.RuneCountInString(s)
		}
		n++
	}
	return s, 0
}

// pageBytes is what a text takes on a page.
func pageBytes(s string) int {
	n := len(s)
	for _, c := range []byte(s) {
		switch c {
		case '<', '>', '&', '\'', '"':
			n += 4
		}
	}
	return n
}

// cutParts cuts the values of parts so that all together fit: long ones first, and the
// same for all.
func cutParts(parts []*web.Part) {
	for _, most := range []int{maxValue, 200, 100, 50, 25, 12} {
		sum := 0
		for _, p := range parts {
			short, _ := cut(p.Value, most)
			sum += pageBytes(short)
		}
		if sum > maxValues && most > 12 {
			continue
		}
		for _, p := range parts {
			p.Value, p.Whole = cut(p.Value, most)
		}
		return
	}
}

// bound cuts a consent to what a page may take. Where something of a license is left out,
// the page leads to the license's own.
func bound(view *web.Consent) {
	var parts []*web.Part
	var all []*web.ConsentLicense
	size := 0
	for i := range view.Materials {
		for j := range view.Materials[i].Licenses {
			l := &view.Materials[i].Licenses[j]
			all = append(all, l)
			for _, some := range [][]web.Part{l.Parts, l.Sensitive} {
				for k := range some {
					parts = append(parts, &some[k])
				}
			}
			size += cardBytes(&l.Card)
		}
	}
	cutParts(parts)
	for _, l := range all {
		l.Inside = size <= maxCards
		long := func(p web.Part) bool { return p.Whole > 0 }
		l.Elsewhere = !l.Inside || slices.ContainsFunc(l.Parts, long) || slices.ContainsFunc(l.Sensitive, long)
	}
}

// cardBytes is about what a whole license takes inside a page.
func cardBytes(c *web.Card) int {
	n := 1 << 10
	for _, h := range c.Holders {
		n += 200 + pageBytes(h.Role) + pageBytes(h.Name) + pageBytes(h.CodeType) + pageBytes(h.Code) + pageBytes(h.Share)
	}
	for _, f := range c.Fields {
		n += 100 + pageBytes(f.Title) + pageBytes(f.Value)
	}
	return n
}
