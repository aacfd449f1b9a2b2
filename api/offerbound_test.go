package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/apitest"
	"yizheng.internal/api/oauth"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
)

// bulkyType is a type whose licenses have long texts, and bulkyItem asks for all of them
// in many materials.
const (
	bulkyType = "11100000000013338W901"
	bulkyItem = "11100000000013338W-BULKY"
)

func (s *pageSite) publishBulky(t testing.TB, fields, materials int) {
	t.Helper()
	properties, parts := object{}, []string{"number", "holders"}
	for i := range fields {
		name := fmt.Sprintf("text%02d", i)
		properties[name] = object{"type": "string", "title": fmt.Sprintf("长文本%02d", i), "maxLength": 4096}
		parts = append(parts, "fields/"+name)
	}
	s.publish(t, bulkyType, definition(object{
		"schema": object{"type": "object", "additionalProperties": false, "properties": properties}, "sensitive": nil,
	}))
	var ms []object
	for i := range materials {
		ms = append(ms, object{
			"id": fmt.Sprintf("material-%02d", i), "name": fmt.Sprintf("样例材料%02d", i), "relation": "applicant", "required": true,
			"alternatives": []object{{"type_code": bulkyType, "role": "holder", "fields": parts}},
		})
	}
	s.publishItem(t, bulkyItem, itemDefinition(object{"materials": ms}))
}

// issueBulky issues licenses of the bulky type to 张, the newest with the highest number.
func (s *pageSite) issueBulky(t testing.TB, n, fields, runes int, text string) {
	t.Helper()
	for i := range n {
		face := object{}
		for f := range fields {
			face[fmt.Sprintf("text%02d", f)] = fmt.Sprintf("样例分店%03d", i) + strings.Repeat(text, runes)
		}
		number := fmt.Sprintf("大样例第%03d号", i)
		s.call(t, s.department, "POST", "/v1/licenses", issueBody(number, object{"type_code": bulkyType, "fields": face}), idempotencyKey, fmt.Sprintf("%x", number)).want(t, 201, "")
	}
}

// askBulky opens the consent page for the bulky item in a browser that is logged in.
func (s *pageSite) askBulky(t testing.TB, b *apitest.Browser) *apitest.Page {
	t.Helper()
	a := s.app.post(t, oauth.PARPath, s.app.request("authorization_details", "["+string(detail(bulkyItem))+"]"))
	p := s.app.open(b, form("client_id", s.app.id, "request_uri", a.member("request_uri")))
	shows(t, p, 200, consentPath)
	return p
}

// mostPage is the largest that any page may be.
const mostPage = 1 << 20

// However many and long licenses somebody has, and however many materials take them, the
// page that offers them is small and quickly made: 100 licenses of 22 KB for 12 materials
// once made one of 65 MB, for which 1.5 GB were allocated.
func TestConsentPageIsBounded(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"ideographs": "样", "quotation marks": `"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newPageSite(t)
			s.publishBulky(t, 6, 12)
			s.issueBulky(t, 100, 6, 3600/len(text), text)
			b := s.browserOf(t)
			begin := time.Now()
			p := s.askBulky(t, b)
			t.Logf("%d bytes in %v", len(p.Body), time.Since(begin))
			if len(p.Body) > mostPage {
				t.Errorf("the page has %d bytes", len(p.Body))
			}
			for i := range 12 {
				field := fmt.Sprintf("license-material-%02d", i)
				if n := len(p.Choices(field)); n < 2 || n > 21 || !strings.Contains(p.Body, fmt.Sprintf("find-material-%02d", i)) {
					t.Errorf("%s has %d choices", field, n)
				}
			}
			f := p.Form("approve")
			for i := range 12 {
				field := fmt.Sprintf("license-material-%02d", i)
				f.With(field, p.Choices(field)[0])
			}
			if g := s.granted(t, f.Send()); len(g.Materials) != 12 || len(g.Materials[11].Fields) != 8 {
				t.Errorf("granted %+v", g)
			}
			says(t, p, "大样例第099号", "全文见完整证照", `href="/licenses/`)
			for _, path := range []string{"/licenses", "/licenses/" + strings.Split(p.Choices("license-material-00")[0], ":")[1]} {
				if page := b.Get(s.url + path); page.Status != 200 || len(page.Body) > mostPage {
					t.Errorf("%s has %d bytes, status %d", path, len(page.Body), page.Status)
				} else {
					t.Logf("%s: %d bytes", path, len(page.Body))
				}
			}
		})
	}
}

// An offer reads each license that it shows once, however many materials take it.
func TestOfferReadsOnce(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	s.publishBulky(t, 6, 12)
	s.issueBulky(t, 30, 6, 1200, "样")
	who := offer.Subject{Party: "party", Codes: []party.Code{{Type: party.Citizen, Value: sampleCitizen}}, Assurance: 2}
	ask := offer.Ask{Item: bulkyItem, Case: "1"}
	allocated := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, err := s.library.Offers.Offer(t.Context(), audit.Actor{Client: "x"}, ask, who, nil); err != nil {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if t.Logf("%d KB an offer", allocated>>10); allocated > 12<<20 {
		t.Errorf("an offer allocates %d bytes", allocated)
	}
}

// Somebody with 150 licenses of a type finds each: by its number, or what stands on it.
func TestConsentAmongMany(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	s.publishBulky(t, 1, 2)
	s.issueBulky(t, 150, 1, 0, "")
	p := s.askBulky(t, s.browserOf(t))
	const field, other = "license-material-00", "license-material-01"
	says(t, p, "只列出最近的 20 份", "大样例第149号", "大样例第130号")
	if len(p.Choices(field)) != 21 || strings.Contains(p.Body, "大样例第129号") {
		t.Fatalf("choices: %v", p.Choices(field))
	}
	newest := p.Choices(other)[0]
	search := func(p *apitest.Page, text string) *apitest.Page {
		p = p.Press("search-material-00", "find-material-00", text, other, newest)
		shows(t, p, 200, consentPath)
		if f := p.Form("approve"); f.Values.Get(other) != newest {
			t.Errorf("looking for %q forgot what was chosen: %v", text, f.Values)
		}
		return p
	}
	for text, found := range map[string]string{
		"大样例第007号": "大样例第007号", "大样例第００７号": "大样例第007号", "第007": "大样例第007号", "分店012": "大样例第012号",
	} {
		p = search(p, text)
		if n := len(p.Choices(field)); n != 2 || !strings.Contains(p.Body, found) {
			t.Errorf("%q finds %d:\n%s", text, n-1, p.Body)
		}
	}
	if p = search(p, "没有这样的"); len(p.Choices(field)) != 1 {
		t.Errorf("found %v", p.Choices(field))
	}
	says(t, p, "没有找到含")
	if p = search(p, " "); len(p.Choices(field)) != 21 {
		t.Errorf("looking for nothing finds %v", p.Choices(field))
	}
	p = search(p, "第007")
	chosen := p.Choices(field)[0]
	f := p.Form("approve").With(field, chosen, "find-material-00", "typed, and not searched")
	g := s.granted(t, f.Send())
	if m := g.Materials[0]; !strings.Contains(chosen, m.License) || m.Outcome != "granted" || g.Materials[1].Outcome != "granted" {
		t.Errorf("granted %+v, chosen %s", g, chosen)
	}
}

// A license that was not found, and not shown, is not to be had.
func TestConsentToTheUnshown(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	s.publishBulky(t, 1, 1)
	s.issueBulky(t, 25, 1, 0, "")
	p := s.askBulky(t, s.browserOf(t))
	const field = "license-material-00"
	found := p.Press("search-material-00", "find-material-00", "第000")
	oldest := found.Choices(field)[0]
	got := p.Form("approve").With(field, oldest).Send()
	if got.To != nil || got.Status < 400 {
		t.Errorf("of what wasn't shown: %d, to %v", got.Status, got.To)
	}
	got = found.Form("approve").With(field, oldest, "found-material-00", "第00").Send()
	shows(t, got, 409, consentPath)
	if g := s.granted(t, found.Form("approve").With(field, oldest).Send()); g.Materials[0].Outcome != "granted" {
		t.Errorf("granted %+v", g)
	}
}

// All that looks for somebody's licenses takes turns: the client whose turns are taken waits.
func TestOffersTakeTurns(t *testing.T) {
	t.Parallel()
	j := newJoined(t)
	r := j.resolver
	leave, err := j.turns.Enter(t.Context(), j.facts.Party.ID, j.facts.Client.ID)
	mustOf(t)(err)
	defer leave()
	for name, call := range map[string]func(ctx context.Context) error{
		"Describe": func(ctx context.Context) error {
			_, err := r.Describe(ctx, j.facts, asked(sampleItem), nil)
			return err
		},
		"Grant": func(ctx context.Context) error {
			_, err := r.Grant(ctx, j.facts, asked(sampleItem), oidc.Agreement{})
			return err
		},
		"Reuse": func(ctx context.Context) error { _, err := r.Reuse(ctx, j.facts, asked(sampleItem)); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s doesn't wait: %v", name, err)
		}
		cancel()
	}
}
