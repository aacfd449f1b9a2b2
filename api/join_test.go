package api

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/join"
	"yizheng.internal/api/limit"
	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
)

const (
	sampleItem  = "11100000000013338W-SAMPLE-1"
	otherItem   = "11100000000013338W-SAMPLE-2"
	sampleCase  = "2026-000123"
	sampleParty = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
)

// joined is a service with an item, a client that may ask for it, and somebody
// who holds a license.
type joined struct {
	*service
	resolver oidc.Resolver
	turns    *limit.Holders // of the resolver
	issued   issuedOfTest
	facts    oidc.DetailFacts
}

func newJoined(t testing.TB) *joined {
	t.Helper()
	j := &joined{service: newService(t, serviceConfig{})}
	for _, item := range []string{sampleItem, otherItem} {
		j.publishItem(t, item, itemDefinition(nil))
	}
	j.issued = j.issue(t, sampleNumber)
	j.turns = limit.NewHolders(1)
	j.resolver = newResolver(t, j.library, j.turns)
	j.facts = oidc.DetailFacts{
		Client:      oidc.Client{ID: j.stranger.id, Participant: "p3", ServiceItems: []string{sampleItem}},
		Participant: identity.Participant{ID: "p3", USCC: strangerUSCC}, Assurance: 2,
		Party: identity.Party{ID: sampleParty, Kind: identity.Person, Name: sampleName, Codes: []identity.PartyCode{
			{Code: party.Code{Type: party.Citizen, Value: sampleCitizen}, Source: "样例人口库"},
		}},
		Session: sha256.Sum256([]byte("session")), Request: sha256.Sum256([]byte("request")), RequestID: "r1",
	}
	return j
}

// newResolver joins a provider with a registry; without turns it takes the default.
func newResolver(t testing.TB, r *library.Library, turns *limit.Holders) oidc.Resolver {
	t.Helper()
	j, err := join.New(join.Config{Asks: r.Offers, Grants: r.Grants, Turns: turns})
	mustOf(t)(err)
	return j
}

func detail(item string) []byte {
	return fmt.Appendf(nil, `{"type":"license","service_item":%q,"case":%q}`, item, sampleCase)
}

// asked is that detail, as it was read.
func asked(item string) oidc.Detail {
	return oidc.Detail{Type: oidc.DetailLicense, Item: item, Case: sampleCase}
}

// agree agrees to all that is offered.
func (j *joined) agree(t testing.TB, alter func(*oidc.Agreement)) string {
	t.Helper()
	grant, err := j.resolver.Grant(t.Context(), j.facts, asked(sampleItem), j.agreement(t, alter))
	mustOf(t)(err)
	return grant
}

func (j *joined) agreement(t testing.TB, alter func(*oidc.Agreement)) oidc.Agreement {
	t.Helper()
	d, err := j.resolver.Describe(t.Context(), j.facts, asked(sampleItem), nil)
	mustOf(t)(err)
	o, err := join.OfferOf(d)
	mustOf(t)(err)
	a := oidc.Agreement{Form: fmt.Sprintf("form-%016d", time.Now().UnixNano()), Shown: d.Shown()}
	for _, m := range o.Materials {
		for _, l := range m.Licenses {
			a.Chosen = append(a.Chosen, oidc.Choice{Material: m.Material.ID, License: string(l.ID), Version: l.Version.Version, Fields: l.Fields})
		}
	}
	if alter != nil {
		alter(&a)
	}
	return a
}

// grantedOfTest is the answer of RFC 9396 section 7, written down here once
// more: its shape is a promise to clients.
type grantedOfTest struct {
	Type      string    `json:"type"`
	Item      string    `json:"service_item"`
	Case      string    `json:"case"`
	Grant     string    `json:"grant_id"`
	Expires   time.Time `json:"expires"`
	Materials []struct {
		Material string   `json:"material"`
		Outcome  string   `json:"outcome"`
		License  string   `json:"license"`
		Version  int      `json:"version"`
		TypeCode string   `json:"type_code"`
		Fields   []string `json:"fields"`
		Withheld []string `json:"withheld"`
		HeldBy   *struct {
			CodeType string `json:"code_type"`
			Code     string `json:"code"`
		} `json:"held_by"`
		UseCode string `json:"use_code"`
		Reason  string `json:"reason"`
	} `json:"materials"`
}

func (j *joined) deliver(t testing.TB, grant string, code byte) grantedOfTest {
	t.Helper()
	details, err := j.resolver.Deliver(t.Context(), j.facts.Client, grant, [32]byte{code})
	mustOf(t)(err)
	var out []grantedOfTest
	answer{body: string(details)}.decode(t, &out)
	if len(out) != 1 {
		t.Fatalf("details: %s", details)
	}
	return out[0]
}

func TestJoinDelivers(t *testing.T) {
	t.Parallel()
	j := newJoined(t)
	read, err := j.resolver.Read(t.Context(), j.facts.Client, detail(sampleItem))
	mustOf(t)(err)
	if !reflect.DeepEqual(read, asked(sampleItem)) {
		t.Errorf("read %+v", read)
	}
	grant := j.agree(t, nil)
	if live, err := j.resolver.Live(t.Context(), grant); live || err != nil {
		t.Errorf("pending: live %v, %v", live, err)
	}
	d := j.deliver(t, grant, 1)
	if d.Type != "license" || d.Item != sampleItem || d.Case != sampleCase || d.Grant != grant || time.Until(d.Expires) < 59*time.Minute || len(d.Materials) != 1 {
		t.Fatalf("delivered: %+v", d)
	}
	m := d.Materials[0]
	if m.Material != "operator-certificate" || m.Outcome != "granted" || m.License != j.issued.ID || m.Version != 1 || m.TypeCode != sampleType || len(m.Fields) != 4 || m.Reason != "" {
		t.Errorf("material: %+v", m)
	}
	if again := j.deliver(t, grant, 1); again.Materials[0].UseCode != m.UseCode {
		t.Errorf("the same code again: %+v", again)
	}
	if live, err := j.resolver.Live(t.Context(), grant); !live || err != nil {
		t.Errorf("active: live %v, %v", live, err)
	}
	r, err := j.library.Readings.Redeem(t.Context(), audit.Actor{Client: j.stranger.id}, access.RedeemRequest{UseCode: m.UseCode, RequestID: "1", Nonce: "nonce-123"})
	if err != nil || string(r.License) != j.issued.ID {
		t.Errorf("redeemed: %+v, %v", r, err)
	}
	mustOf(t)(j.resolver.Revoke(t.Context(), j.facts.Client, grant, oidc.GrantCodeReuse))
	if live, err := j.resolver.Live(t.Context(), grant); live || err != nil {
		t.Errorf("revoked: live %v, %v", live, err)
	}
	if live, err := j.resolver.Live(t.Context(), "nonsense"); live || err != nil {
		t.Errorf("unknown: live %v, %v", live, err)
	}
	if strings.Contains(j.log.String(), m.UseCode) {
		t.Error("the log holds the use code")
	}
}

func TestJoinReuses(t *testing.T) {
	t.Parallel()
	j := newJoined(t)
	reuse := func() string {
		t.Helper()
		grant, err := j.resolver.Reuse(t.Context(), j.facts, asked(sampleItem))
		mustOf(t)(err)
		return grant
	}
	j.deliver(t, j.agree(t, nil), 1)
	if got := reuse(); got != "" {
		t.Errorf("a grant for once was reused: %s", got)
	}
	grant := j.agree(t, func(a *oidc.Agreement) { a.Recurring = true })
	j.deliver(t, grant, 2)
	if got := reuse(); got != grant {
		t.Errorf("got %q, want %s", got, grant)
	}
	if d := j.deliver(t, grant, 3); d.Materials[0].UseCode == "" {
		t.Errorf("renewed: %+v", d)
	}
}

func codeOf(t testing.TB, err error) string {
	t.Helper()
	e, ok := errors.AsType[*oidc.Error](err)
	if !ok {
		t.Fatalf("not an *oidc.Error: %v", err)
	}
	if strings.ContainsFunc(e.Description, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) || e.Description == "" {
		t.Errorf("description %q has what RFC 6749 doesn't allow", e.Description)
	}
	if first, second, twice := strings.Cut(e.Description, ": "); twice && first == second {
		t.Errorf("description %q says it twice", e.Description)
	}
	return string(e.Code) + " " + string(e.Reason)
}

func TestJoinRefusesDetails(t *testing.T) {
	t.Parallel()
	j := newJoined(t)
	const secret = "zzverysecretzz"
	for name, test := range map[string]struct{ detail, want string }{
		"another item": {string(detail(otherItem)), "invalid_authorization_details item_unregistered"},
		"unknown item": {string(detail("NO-SUCH")), "invalid_authorization_details item_unregistered"},
		"another type": {`{"type":"` + secret + `","service_item":"11100000000013338W-SAMPLE-1","case":"1"}`, "invalid_authorization_details ask_type"},
		"no JSON":      {secret, "invalid_authorization_details ask_json"},
		"unknown member": {`{"type":"license","service_item":"11100000000013338W-SAMPLE-1","case":"1","holder":"` + secret + `"}`,
			"invalid_authorization_details ask_json"},
		"member twice": {`{"type":"license","type":"license","service_item":"11100000000013338W-SAMPLE-1","case":"1"}`, "invalid_authorization_details ask_json"},
		"control character": {`{"type":"license","service_item":"11100000000013338W-SAMPLE-1","case":"` + secret + `\u0007"}`,
			"invalid_authorization_details characters"},
		"unknown material": {`{"type":"license","service_item":"11100000000013338W-SAMPLE-1","case":"1","licenses":[{"material":"` + secret + `","type_code":"11100000000013338W032"}]}`,
			"invalid_authorization_details material_unknown"},
		"unknown type": {`{"type":"license","service_item":"11100000000013338W-SAMPLE-1","case":"1","licenses":[{"material":"operator-certificate","type_code":"11100000000013338W999"}]}`,
			"invalid_authorization_details type_outside"},
		"field outside": {`{"type":"license","service_item":"11100000000013338W-SAMPLE-1","case":"1","licenses":[{"material":"operator-certificate","type_code":"11100000000013338W032","fields":["` + secret + `"]}]}`,
			"invalid_authorization_details field_outside"},
		"1,000 entries": {`{"type":"license","service_item":"11100000000013338W-SAMPLE-1","case":"1","licenses":[` + strings.Repeat(`{"material":"a","type_code":"11100000000013338W032"},`, 999) + `{"material":"a","type_code":"11100000000013338W032"}]}`,
			"invalid_authorization_details count"},
		"64 KiB and more": {string(detail(sampleItem)) + strings.Repeat(" ", 64<<10), "invalid_authorization_details ask_size"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := j.resolver.Read(t.Context(), j.facts.Client, []byte(test.detail))
			if err == nil {
				t.Fatal("it was accepted")
			}
			if got := codeOf(t, err); got != test.want || strings.Contains(err.Error(), secret) {
				t.Errorf("got %s: %v", got, err)
			}
			var once oidc.Detail // as if it had been read before the registration or the item changed
			if !strings.Contains(test.want, "_un") && !strings.Contains(test.want, "_outside") || json.Unmarshal([]byte(test.detail), &once) != nil {
				return
			}
			if _, err := j.resolver.Describe(t.Context(), j.facts, once, nil); codeOf(t, err) != test.want {
				t.Errorf("described: %v", err)
			}
			if _, err := j.resolver.Reuse(t.Context(), j.facts, once); codeOf(t, err) != test.want {
				t.Errorf("a grant was sought for it: %v", err)
			}
		})
	}
}

func TestJoinRefusesConsent(t *testing.T) {
	t.Parallel()
	j := newJoined(t)
	for name, test := range map[string]struct {
		alter func(*oidc.Agreement)
		want  string
	}{
		"nothing chosen":    {func(a *oidc.Agreement) { a.Chosen = nil }, "access_denied holder_chose_paper"},
		"something changed": {func(a *oidc.Agreement) { a.Shown[0] ^= 1 }, "invalid_request offer_changed"},
		"no form":           {func(a *oidc.Agreement) { a.Form = "" }, "invalid_request form"},
		"another license":   {func(a *oidc.Agreement) { a.Chosen[0].License = "abcdefghijklmnopqrstuvwxyz" }, "invalid_request choice_not_offered"},
		"a part more":       {func(a *oidc.Agreement) { a.Chosen[0].Fields = append(a.Chosen[0].Fields, "identifier") }, "invalid_request field_not_offered"},
		"too long":          {func(a *oidc.Agreement) { a.Until = time.Now().AddDate(5, 0, 0) }, "invalid_request until_late"},
	} {
		_, err := j.resolver.Grant(t.Context(), j.facts, asked(sampleItem), j.agreement(t, test.alter))
		if err == nil || codeOf(t, err) != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	low := j.facts
	low.Assurance = 1
	if _, err := j.resolver.Describe(t.Context(), low, asked(sampleItem), nil); codeOf(t, err) != "unmet_authentication_requirements assurance_too_low" {
		t.Errorf("assurance 1: %v", err)
	}
	grant := j.agree(t, nil)
	if _, err := j.resolver.Deliver(t.Context(), oidc.Client{ID: "another"}, grant, [32]byte{1}); codeOf(t, err) != "invalid_grant grant_unknown" {
		t.Errorf("another client: %v", err)
	}
	mustOf(t)(j.resolver.Revoke(t.Context(), j.facts.Client, grant, oidc.GrantTokenRevoked))
	if _, err := j.resolver.Deliver(t.Context(), j.facts.Client, grant, [32]byte{1}); codeOf(t, err) != "invalid_grant grant_ended" {
		t.Errorf("ended: %v", err)
	}
	mustOf(t)(j.db.Close())
	if _, err := j.resolver.Live(t.Context(), grant); codeOf(t, err) != "temporarily_unavailable " {
		t.Errorf("no database: %v", err)
	}
}

// What is none of the registry's offers is shown to nobody as one without licenses.
func TestOfferOf(t *testing.T) {
	t.Parallel()
	j := newJoined(t)
	d, err := j.resolver.Describe(t.Context(), j.facts, asked(sampleItem), nil)
	mustOf(t)(err)
	if o, err := join.OfferOf(d); err != nil || o.Hash != d.Shown() || len(o.Materials) == 0 {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := join.OfferOf(nil); o != nil || err != nil {
		t.Errorf("where none is asked for: %+v, %v", o, err)
	}
	if o, err := join.OfferOf(strange{}); err == nil {
		t.Errorf("somebody else's: %+v", o)
	}
}

type strange struct{}

func (strange) Shown() [32]byte { return [32]byte{} }
