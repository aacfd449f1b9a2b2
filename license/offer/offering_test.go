package offer_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/license/catalog/entry"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/signing/journal"
)

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
	w.Many(t, 25)
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

// Beyond what an offer looks at, a license is found by its number.
func TestNumberBeyondWhatIsLookedAt(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.Many(t, 510)
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
