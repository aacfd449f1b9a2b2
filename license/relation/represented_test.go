package relation_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/licensetest"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/license/relation"
)

// represented names whom somebody represents, as "kind code".
func represented(t *testing.T, r *relation.Service, codes []party.Code) []string {
	t.Helper()
	facts, err := r.Represented(t.Context(), codes)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for _, f := range facts {
		all = append(all, string(f.Kind)+" "+f.Codes[0].Value)
	}
	slices.Sort(all)
	return all
}

// replace makes a license's next version, with other holders.
func replace(t *testing.T, w *world, id audit.ID, number string, revision int64, holders ...credential.Holder) registry.Issued {
	t.Helper()
	out, err := w.Registry.Replace(t.Context(), issuer, id, registry.ReplaceRequest{
		Kind: license.Change, Reason: "变更", Number: number, Holders: holders, ValidFrom: party.DateOf(time.Now()), Fields: json.RawMessage(`{}`),
	}, licensetest.Seen(revision))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func end(t *testing.T, w *world, id audit.ID) {
	t.Helper()
	if _, err := w.Registry.End(t.Context(), issuer, id, licensetest.Ending(), registry.Terms{}); err != nil {
		t.Fatal(err)
	}
}

func TestLegalRepresentative(t *testing.T) {
	t.Parallel()
	mine := []string{"legal_representative " + company}
	issue := func(t *testing.T, w *world, number, by string) registry.Issued {
		t.Helper()
		return w.IssueRelated(t, firm, number, "", holder("holder", company), holder("representative", by))
	}
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, w *world)
		want    []string
		head    string // whose it is; empty: nobody's
		known   bool

		disputed bool
	}{
		{"one license", func(t *testing.T, w *world) { issue(t, w, "1", citizen) }, mine, citizen, true, false},
		{"original and duplicate", func(t *testing.T, w *world) { issue(t, w, "1", citizen); issue(t, w, "1", citizen) }, mine, citizen, true, false},
		{"two that contradict each other", func(t *testing.T, w *world) { issue(t, w, "1", citizen); issue(t, w, "2", other) }, nil, "", true, true},
		{"an older one that ended", func(t *testing.T, w *world) { end(t, w, issue(t, w, "1", other).ID); issue(t, w, "2", citizen) }, mine, citizen, true, false},
		{"suspended", func(t *testing.T, w *world) { w.Suspend(t, issue(t, w, "1", citizen).ID) }, nil, "", true, false},
		{"ended", func(t *testing.T, w *world) { end(t, w, issue(t, w, "1", citizen).ID) }, nil, "", true, false},
		{"a name alone", func(t *testing.T, w *world) {
			_, err := w.Registry.Issue(t.Context(), issuer, registry.IssueRequest{
				TypeCode: firm, Number: "1", Holders: []credential.Holder{holder("holder", company)}, ValidFrom: party.DateOf(time.Now()),
				Fields: json.RawMessage(`{"representative":"样例representative"}`),
			}, "1")
			if err != nil {
				t.Fatal(err)
			}
		}, nil, "", false, false},
		{"a name alone beside one with a code", func(t *testing.T, w *world) {
			issue(t, w, "1", citizen)
			w.IssueRelated(t, firm, "2", "", holder("holder", company))
		}, nil, "", true, true},
		{"another role", func(t *testing.T, w *world) {
			w.IssueRelated(t, firm, "1", "", holder("holder", company), holder("representative", other), holder("agent", citizen))
		}, nil, other, true, false},
		{"two representatives", func(t *testing.T, w *world) {
			w.IssueRelated(t, firm, "1", "", holder("holder", company), holder("representative", citizen), holder("representative", other))
		}, nil, "", false, false},
		{"two companies", func(t *testing.T, w *world) {
			w.IssueRelated(t, firm, "1", "", holder("holder", company), holder("holder", company2), holder("representative", citizen))
		}, nil, "", false, false},
		{"a type that isn't believed", func(t *testing.T, w *world) {
			code := credential.TypeCode("11100000000013338W045")
			w.Publish(t, code, licensetest.RelatedTypes()[firm])
			w.IssueRelated(t, code, "1", "", holder("holder", company), holder("representative", citizen))
		}, nil, "", false, false},
		{"not valid yet", func(t *testing.T, w *world) {
			_, err := w.Registry.Issue(t.Context(), issuer, registry.IssueRequest{
				TypeCode: firm, Number: "1", Holders: []credential.Holder{holder("holder", company), holder("representative", citizen)},
				ValidFrom: party.DateOf(time.Now()).AddDays(2), Fields: json.RawMessage(`{}`),
			}, "1")
			if err != nil {
				t.Fatal(err)
			}
		}, nil, "", true, false},
		{"replaced by another person", func(t *testing.T, w *world) {
			replace(t, w, issue(t, w, "1", citizen).ID, "1", 1, holder("holder", company), holder("representative", other))
		}, nil, other, true, false},
		{"replaced by a name alone", func(t *testing.T, w *world) {
			replace(t, w, issue(t, w, "1", citizen).ID, "1", 1, holder("holder", company))
		}, nil, "", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := licensetest.NewRelated(t)
			test.prepare(t, w)
			if got := represented(t, w.Relations, citizens(citizen)); !slices.Equal(got, test.want) {
				t.Errorf("represents %v, want %v", got, test.want)
			}
			h, err := w.Relations.Head(t.Context(), []party.Code{{Type: party.SocialCredit, Value: company}})
			got := ""
			if len(h.Codes) > 0 {
				got = h.Codes[0].Value
			}
			if err != nil || got != test.head || h.Known != test.known || h.Since.IsZero() == h.Known || h.Disputed != test.disputed {
				t.Errorf("head %+v, %v, want %q, known %v, disputed %v", h, err, test.head, test.known, test.disputed)
			}
		})
	}
}

// The agents that somebody appointed lapse some time after they were replaced: so it counts when that was, not when
// the company last moved.
func TestSinceWhen(t *testing.T) {
	t.Parallel()
	w := licensetest.NewRelated(t)
	codes := []party.Code{{Type: party.SocialCredit, Value: company}}
	first := w.IssueRelated(t, firm, "1", "", holder("holder", company), holder("representative", other))
	issued := func(version int) time.Time {
		_, v, err := w.Records.Load(t.Context(), first.ID, version)
		if err != nil {
			t.Fatal(err)
		}
		return v.Issued
	}
	since := func(what string, want time.Time) {
		t.Helper()
		h, err := w.Relations.Head(t.Context(), codes)
		if err != nil || !h.Since.Equal(want) {
			t.Errorf("%s: since %v, %v, want %v", what, h.Since, err, want)
		}
	}
	since("the first", issued(1))
	replace(t, w, first.ID, "1", 1, holder("holder", company), holder("representative", citizen))
	replace(t, w, first.ID, "2", 2, holder("holder", company), holder("representative", citizen))
	since("replaced, and then changed otherwise", issued(2))
	w.IssueRelated(t, firm, "2", "", holder("holder", company), holder("representative", citizen))
	since("with a duplicate", issued(2))
	w.Suspend(t, first.ID)
	facts, err := w.Relations.Represented(t.Context(), citizens(citizen))
	if err != nil || len(facts) != 1 || facts[0].License == first.ID {
		t.Errorf("by the duplicate: %+v, %v", facts, err)
	}
	end(t, w, facts[0].License)
	l, v, err := w.Records.Load(t.Context(), facts[0].License, 0)
	if err != nil {
		t.Fatal(err)
	}
	ended, err := w.Records.Open(t.Context(), l, v)
	if err != nil {
		t.Fatal(err)
	}
	since("suspended, and then ended", ended.Ending.RecordedAt)
}

func TestGuardian(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, w *world)
		want    []string
	}{
		{"mother and father", func(t *testing.T, w *world) {
			w.IssueRelated(t, birth, "1", "2025-01-14", holder("child", child), holder("mother", citizen), holder("father", other))
		}, []string{"guardian " + child}},
		{"another certificate with another father", func(t *testing.T, w *world) {
			w.IssueRelated(t, birth, "1", "2025-01-14", holder("child", child), holder("mother", citizen), holder("father", other))
			w.IssueRelated(t, birth, "2", "2025-01-14", holder("child", child), holder("mother", citizen), holder("father", spouse))
		}, nil},
		{"another day of birth than in the number", func(t *testing.T, w *world) {
			w.IssueRelated(t, birth, "1", "2024-01-14", holder("child", child), holder("mother", citizen))
		}, nil},
		{"the child itself", func(t *testing.T, w *world) {
			w.IssueRelated(t, birth, "1", "", holder("child", citizen), holder("mother", other))
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := licensetest.NewRelated(t)
			test.prepare(t, w)
			if got := represented(t, w.Relations, citizens(citizen)); !slices.Equal(got, test.want) {
				t.Errorf("represents %v, want %v", got, test.want)
			}
			facts, err := w.Relations.Represented(t.Context(), citizens(citizen))
			if err != nil || len(facts) == 1 && facts[0].Born.String() != "2025-01-14" {
				t.Errorf("born %+v, %v", facts, err)
			}
		})
	}
}

// Whoever uploads a license, and an authority that the operator doesn't name, prove nothing, and contradict nothing.
func TestWhoIsBelieved(t *testing.T) {
	t.Parallel()
	w := licensetest.NewRelated(t)
	w.IssueRelated(t, firm, "1", "", holder("holder", company), holder("representative", citizen))
	believed := licensetest.Believed()
	believed[0].Authorities = []party.USCC{licensetest.OtherDept}
	if got := represented(t, w.OpenBelieving(t, w.DB.Licenses(), believed).Relations, citizens(citizen)); len(got) != 0 {
		t.Errorf("of an authority that isn't named: %v", got)
	}
	for grade, want := range map[credential.TrustGrade]int{credential.GradeA: 1, credential.GradeB: 1, credential.GradeC: 0, credential.GradeD: 0} {
		graded := licensetest.Stores{Stores: w.DB.Licenses(), OnLoad: func(v *license.VersionRecord) { v.TrustGrade = grade; w.Restamp(v) }}
		if got := represented(t, w.OpenBelieving(t, graded, licensetest.Believed()).Relations, citizens(citizen)); len(got) != want {
			t.Errorf("grade %s: %v", grade, got)
		}
	}
}

// A license that can't be opened may contradict the others; a registry that can't be asked proves nothing.
func TestRelationsFailClosed(t *testing.T) {
	t.Parallel()
	w := licensetest.NewRelated(t)
	w.IssueRelated(t, firm, "1", "", holder("holder", company), holder("representative", citizen))
	lost := w.IssueRelated(t, firm, "2", "", holder("holder", company), holder("representative", citizen))
	w.IssueRelated(t, firm, "3", "", holder("holder", company2), holder("representative", citizen))
	broken := w.OpenBelieving(t, licensetest.Stores{Stores: w.DB.Licenses(), OnLoad: func(v *license.VersionRecord) {
		if v.License == lost.ID {
			v.Body[20] ^= 1
		}
	}}, licensetest.Believed()).Relations
	if got := represented(t, broken, citizens(citizen)); !slices.Equal(got, []string{"legal_representative " + company2}) {
		t.Errorf("with a license that can't be opened: %v", got)
	}
	if h, err := broken.Head(t.Context(), []party.Code{{Type: party.SocialCredit, Value: company}}); err == nil {
		t.Errorf("head with a license that can't be opened: %+v", h)
	}
	away := w.OpenBelieving(t, licensetest.Stores{Stores: w.DB.Licenses(), OnSearch: func() error { return fmt.Errorf("away: %w", license.ErrUnavailable) }}, licensetest.Believed()).Relations
	if facts, err := away.Represented(t.Context(), citizens(citizen)); !errors.Is(err, license.ErrUnavailable) {
		t.Errorf("with the registry away: %v, %v", facts, err)
	}
	if f, err := away.Spouse(t.Context(), citizens(citizen)); f != nil || !errors.Is(err, license.ErrUnavailable) {
		t.Errorf("spouse with the registry away: %v, %v", f, err)
	}
}

func TestReadBelieved(t *testing.T) {
	t.Parallel()
	firm := `{"type_code":"11100000000013338W041","proves":"legal_representative","principal":"holder","representatives":["representative"]}`
	marriage := `{"type_code":"11100000000013338W043","proves":"marriage","representatives":["spouse"],"date":"day"}`
	divorce := `{"type_code":"11100000000013338W044","proves":"divorce","representatives":["spouse"]}`
	file := func(types ...string) string { return `{"types":[` + strings.Join(types, ",") + `]}` }
	if all, err := relation.ReadBelieved([]byte(file(firm, marriage, divorce))); err != nil || len(all) != 3 || all[1].Date != "day" {
		t.Errorf("a good file: %+v, %v", all, err)
	}
	for name, text := range map[string]string{
		"nothing": ``, "an array": `[]`, "unknown member": `{"types":[],"more":1}`, "unknown member of a type": file(strings.Replace(firm, "{", `{"x":1,`, 1)),
		"member twice": `{"types":[],"types":[]}`, "trailing": file(firm) + `{}`, "twice": file(firm, firm), "marriage without divorce": file(marriage),
		"type code": file(strings.Replace(firm, "W041", "W04", 1)), "kind": file(strings.Replace(firm, "legal_rep", "legalrep", 1)),
		"no principal":             file(strings.Replace(firm, `"principal":"holder",`, "", 1)),
		"principal of a marriage":  file(strings.Replace(divorce, `"proves"`, `"principal":"a","proves"`, 1)),
		"no roles":                 file(strings.Replace(firm, `["representative"]`, `[]`, 1)),
		"principal represents":     file(strings.Replace(firm, `["representative"]`, `["holder"]`, 1)),
		"date of a representative": file(strings.Replace(firm, `"proves"`, `"date":"a","proves"`, 1)),
		"authority":                file(strings.Replace(firm, `"proves"`, `"authorities":["1"],"proves"`, 1)),
		"too large":                file(firm) + strings.Repeat(" ", 64<<10),
	} {
		if all, err := relation.ReadBelieved([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, all)
		}
	}
}

func TestExamine(t *testing.T) {
	t.Parallel()
	w := licensetest.NewRelated(t)
	if found, err := w.Relations.Examine(t.Context()); err != nil || len(found) != 0 {
		t.Errorf("with all that there is: %v, %v", found, err)
	}
	believed := licensetest.Believed()
	believed[0].Type = "11100000000013338W099"
	believed[1].Representatives, believed[1].Date = []string{"guardian"}, "month"
	d := licensetest.RelatedTypes()[marriage]
	d.Coverage = nil
	w.Publish(t, marriage, d)
	found, err := w.OpenBelieving(t, w.DB.Licenses(), believed).Relations.Examine(t.Context())
	want := []relation.Finding{{believed[0].Type, relation.Unpublished}, {birth, relation.NoRole}, {birth, relation.NoDate}, {marriage, relation.Uncovered}}
	if err != nil || !slices.Equal(found, want) {
		t.Errorf("%v, %v, want %v", found, err, want)
	}
}
