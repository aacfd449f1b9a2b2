package license_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/grant"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/signing/journal"
)

// many issues licenses with the numbers A-0001, A-0002 and so on, the newest last.
func (w *world) many(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		w.IssueOne(t, fmt.Sprintf("A-%04d", i+1))
	}
}

func numbers(m offers.OfferedMaterial) []string {
	var all []string
	for _, l := range m.Licenses {
		all = append(all, l.Number)
	}
	return all
}

// The newest are offered; what the holder looks for is found among the others, and the
// consent is good for what was found.
func TestFindAmongMany(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.many(t, 25)
	find := func(text string) offers.OfferedMaterial {
		t.Helper()
		o, err := w.Offers.Offer(t.Context(), consumer, ask(), subject(), offers.Find{"operator-certificate": text})
		if err != nil {
			t.Fatal(err)
		}
		return o.Materials[0]
	}
	m := offer(t, w.Library, subject()).Materials[0]
	if n := numbers(m); len(n) != 20 || n[0] != "A-0025" || n[19] != "A-0006" || !m.More || m.Outcome != offers.OutcomeChoice || m.Find != "" {
		t.Errorf("offered %v, more %v, %s", n, m.More, m.Outcome)
	}
	for text, found := range map[string][]string{
		"A-0003": {"A-0003"}, "ａ－０００３": {"A-0003"}, "003": {"A-0003"}, "A-002": {"A-0025", "A-0024", "A-0023", "A-0022", "A-0021", "A-0020"}, "category": nil, "no such": nil,
	} {
		m := find(text)
		if n := numbers(m); !slices.Equal(n, found) || m.Outcome != offers.OutcomeChoice || !m.More || m.Find != text {
			t.Errorf("%q finds %v, more %v, %s", text, n, m.More, m.Outcome)
		}
	}
	if m := find(" \u3000"); len(m.Licenses) != 20 || m.Find != "" {
		t.Errorf("nothing finds %v", numbers(m))
	}
	for _, text := range []string{"a\u202eb", "a\nb", string(make([]byte, 101))} {
		_, err := w.Offers.Offer(t.Context(), consumer, ask(), subject(), offers.Find{"operator-certificate": text})
		if reason(t, err) != "find_text" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A recurring grant of what was looked for is reused: the offer is made anew as it was shown.
func TestReusableOfWhatWasFound(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.many(t, 25)
	find := offers.Find{"operator-certificate": "A-0003"}
	o, err := w.Offers.Offer(t.Context(), consumer, ask(), subject(), find)
	if err != nil {
		t.Fatal(err)
	}
	c := consentTo(o)
	c.Recurring, c.Until = true, time.Now().Add(24*time.Hour)
	c.Chosen[0].Fields = append(c.Chosen[0].Fields, "fields/grade")
	if _, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), c); reason(t, err) != "offer_changed" {
		t.Errorf("without what was looked for: %v", err)
	}
	c.Find = find
	g, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), c)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), c); err != nil || again.ID != g.ID {
		t.Errorf("again: %s, %v", again.ID, err)
	}
	w.deliver(t, g.ID)
	if id := w.reusable(t, consumer, ask(), subject()); id != g.ID {
		t.Errorf("reusable is %q, want %s", id, g.ID)
	}
	w.IssueOne(t, "B-0001")
	if id := w.reusable(t, consumer, ask(), subject()); id != g.ID {
		t.Errorf("with another license: %q, want %s", id, g.ID)
	}
	w.IssueOne(t, "A-00031")
	if id := w.reusable(t, consumer, ask(), subject()); id != "" {
		t.Errorf("with another one that is found: %q", id)
	}
}

// Of a material of which nothing that was looked for was found nothing is granted: it is refused.
func TestNothingFoundIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := item()
	second := d.Materials[0]
	second.ID = "second"
	d.Materials = []catalog.Material{d.Materials[0], second}
	w.PublishItem(t, itemCode, d)
	w.many(t, 2)
	find := offers.Find{"second": "no such"}
	o, err := w.Offers.Offer(t.Context(), consumer, ask(), subject(), find)
	if err != nil || len(o.Materials[1].Licenses) != 0 {
		t.Fatalf("found %v, %v", numbers(o.Materials[1]), err)
	}
	l := o.Materials[0].Licenses[0]
	c := grant.Consent{
		Form: "one-use-id-of-a-form", Shown: o.Hash, Find: find, Channel: grant.ChannelOnline, Recurring: true, Until: time.Now().Add(time.Hour),
		Chosen: []offers.ChosenLicense{{Material: "operator-certificate", License: l.ID, Version: 1, Fields: l.Fields}},
	}
	g, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), c)
	if err != nil || g.Materials["second"] != offers.OutcomeRefused {
		t.Fatalf("%v, %v", g.Materials, err)
	}
	w.deliver(t, g.ID)
	if id := w.reusable(t, consumer, ask(), subject()); id != "" {
		t.Errorf("reused, although a material was left out: %s", id)
	}
}

// Beyond what an offer looks at, a license is found by its number.
func TestNumberBeyondWhatIsLookedAt(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.many(t, 510)
	for text, found := range map[string]int{"A-0001": 1, "A-0003 ": 1, "000": 0, "A-0011": 1} {
		o, err := w.Offers.Offer(t.Context(), consumer, ask(), subject(), offers.Find{"operator-certificate": text})
		if err != nil {
			t.Fatal(err)
		}
		if m := o.Materials[0]; len(m.Licenses) != found || !m.More || m.Outcome != offers.OutcomeChoice {
			t.Errorf("%q finds %v, more %v, %s", text, numbers(m), m.More, m.Outcome)
		}
	}
}

// More than a person can read isn't asked for: neither by an item, nor by one of before
// that was so, but narrowed that one can be used.
func TestAskLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := item()
	d.Materials = d.Materials[:1]
	i := w.PublishItem(t, itemCode, d)
	d.Materials = nil
	for n := range 50 {
		m := item().Materials[0]
		m.ID = fmt.Sprintf("m-%d", n)
		for f := range 7 {
			m.Alternatives[0].Fields = append(m.Alternatives[0].Fields, fmt.Sprintf("fields/f%d", f))
		}
		d.Materials = append(d.Materials, m)
	}
	if _, _, err := w.Catalog().Items().Put(t.Context(), cataloguer, itemCode+"-LARGE", d); reason(t, err) != "item_invalid" {
		t.Errorf("an item: %v", err)
	}
	i.ItemDefinition = d
	body, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	record := entry.Record{Code: string(itemCode), Version: i.Version, State: i.State, Revision: i.Revision, Owner: i.Owner, Body: body, Updated: time.Now()}
	if err := w.CatalogStores().SaveEntries(t.Context(), entry.KindItem, journal.Event{Log: journal.Registry, ID: "older", At: time.Now()}, record); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Offers.CheckAsk(t.Context(), consumer, ask()); reason(t, err) != "ask_large" {
		t.Errorf("the item asks for 600 parts: %v", err)
	}
	if _, err := w.Offers.Offer(t.Context(), consumer, ask(), subject(), nil); reason(t, err) != "ask_large" {
		t.Errorf("an offer of 600 parts: %v", err)
	}
	narrow := ask()
	narrow.Licenses = []offers.AskedLicense{{Material: "m-7", TypeCode: typeCode}}
	if _, err := w.Offers.CheckAsk(t.Context(), consumer, narrow); err != nil {
		t.Errorf("narrowed: %v", err)
	}
}
