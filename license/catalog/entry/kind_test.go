package entry_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/licensetest"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

func TestMain(m *testing.M) { licensetest.Main(m) }

// notice is a version of an entry of a kind that only this test has.
type notice struct {
	Code    string
	Version int
	State   entry.State
	said
	Owner                       string
	Created, Published, Retired time.Time
	Revision                    int64
}

// said is what a client says of a notice.
type said struct{ Text string }

// noticeKind is its definition, all that a further kind needs. Its records lie in the
// table of another kind, which is empty here.
func noticeKind(fresh time.Duration) entry.KindOf[string, said, notice] {
	refuse := func(reason string) func() error {
		return func() error { return &refusal.Error{Kind: refusal.KindConflict, Reason: refusal.Reason(reason)} }
	}
	return entry.KindOf[string, said, notice]{
		Kind: entry.KindItem, Called: "notice", Fresh: fresh,
		Put: "notice.put", Publish: "notice.publish", Retire: "notice.retire", Read: "notice.read",
		Valid:     func(code string) bool { return code != "" },
		CheckCode: func(string) error { return nil },
		Check: func(_ context.Context, d *said) error {
			if d.Text == "" {
				return refuse("notice_empty")()
			}
			return nil
		},
		Publishable: func(d *said) error {
			if d.Text == "draft" {
				return refuse("notice_unfinished")()
			}
			return nil
		},
		Draft:      func(code string, d said) notice { return notice{Code: code, said: d} },
		Definition: func(n *notice) *said { return &n.said },
		Life: func(n *notice) entry.Life {
			return entry.Life{
				Version: &n.Version, State: &n.State, Owner: &n.Owner,
				Created: &n.Created, Published: &n.Published, Retired: &n.Retired, Revision: &n.Revision,
			}
		},
		Unknown: refuse("notice_unknown"), NotOwner: refuse("notice_owner"), NotDraft: refuse("notice_not_draft"),
		NotPublished: refuse("notice_not_published"), ManyVersions: refuse("versions_limit"),
	}
}

// recorded is what an event says of a notice.
type recorded struct {
	action         journal.Action
	result         string
	notice, number string // the entry that its details name, and the version
}

// events returns the events of notices, in their order.
func events(t *testing.T, w *licensetest.World) (all []recorded) {
	t.Helper()
	es, err := w.DB.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Registry}, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		_, detail, err := journal.Opened(t.Context(), w.In.Vault(), e)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(e.Action), "notice.") {
			all = append(all, recorded{e.Action, e.Result, detail["notice"], detail["notice_version"]})
		}
	}
	return all
}

// TestAnotherKind leads an entry of a further kind through its life.
func TestAnotherKind(t *testing.T) {
	t.Parallel()
	w, ctx := licensetest.New(t), t.Context()
	j := journal.NewRecorder(journal.Config{Log: journal.Registry, Store: w.DB.Journal(), Vault: w.In.Vault()})
	raw, auth := w.DB.Licenses(), w.In.Vault().Auth()
	stores := entry.AuthenticStores(raw, auth)
	with := entry.Config{Store: stores, Delegations: entry.NewDelegations(stores, j), Journal: j}
	notices, other := entry.New(noticeKind(0), with), entry.New(noticeKind(time.Hour), with)
	owner, stranger := licensetest.Cataloguer, licensetest.Issuer
	code := licensetest.OtherDept + "-notice"
	refused := func(what string, err error, want string) {
		t.Helper()
		if got := licensetest.Reason(t, err); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	put := func(text string) notice {
		t.Helper()
		n, _, err := notices.Put(ctx, owner, code, said{text})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}

	_, _, err := notices.Put(ctx, owner, code, said{})
	refused("an empty one", err, "notice_empty")
	_, err = notices.Publish(ctx, owner, code)
	refused("none", err, "notice_unknown")
	if n := put("draft"); n.Version != 1 || n.State != entry.Draft || n.Revision != 1 || n.Owner != owner.Participant {
		t.Errorf("a draft: %+v", n)
	}
	_, err = notices.Publish(ctx, owner, code)
	refused("an unfinished one", err, "notice_unfinished")
	_, err = notices.Read(ctx, stranger, code, 0)
	refused("another's draft", err, "notice_unknown")
	_, err = notices.Retire(ctx, owner, code)
	refused("what isn't published", err, "notice_not_published")
	if n := put("one"); n.Version != 1 || n.Revision != 2 {
		t.Errorf("the draft again: %+v", n)
	}
	if _, err := notices.Publish(ctx, owner, code); err != nil {
		t.Fatal(err)
	}
	_, err = notices.Publish(ctx, owner, code)
	refused("what is published", err, "notice_not_draft")
	_, err = notices.Retire(ctx, stranger, code)
	refused("another's", err, "notice_owner")
	if h, err := other.Heads(ctx, code); err != nil || h.Published() == nil || h.Published().Text != "one" {
		t.Fatalf("at another node: %+v, %v", h, err)
	}
	put("two")
	if n, err := notices.Publish(ctx, owner, code); err != nil || n.Version != 2 || n.Published.IsZero() {
		t.Fatalf("the second: %+v, %v", n, err)
	}
	if n, err := notices.At(ctx, code, 1); err != nil || n.State != entry.Retired || n.Retired.IsZero() {
		t.Errorf("the first: %+v, %v", n, err)
	}
	if h, err := other.Heads(ctx, code); err != nil || h.Newest().Text != "one" {
		t.Errorf("another node reads again what is fresh: %+v, %v", h, err)
	}
	if h, err := notices.Heads(ctx, code); err != nil || h.Newest().Text != "two" || h.LastPublished() != h.Published() {
		t.Errorf("the heads: %+v, %v", h, err)
	}
	page, more, err := notices.ReadPage(ctx, stranger, "", 10)
	if err != nil || more || len(page) != 1 || page[0].Text != "two" {
		t.Errorf("a page: %+v, %v, %v", page, more, err)
	}
	if n, err := notices.Retire(ctx, owner, code); err != nil || n.State != entry.Retired {
		t.Errorf("retired: %+v, %v", n, err)
	}
	ok := func(act journal.Action, version string) recorded {
		return recorded{act, journal.ResultOK, code, version}
	}
	no := func(act journal.Action, reason string) recorded { return recorded{action: act, result: reason} }
	want := []recorded{
		no("notice.put", "notice_empty"), no("notice.publish", "notice_unknown"), ok("notice.put", "1"),
		no("notice.publish", "notice_unfinished"), no("notice.read", "notice_unknown"), no("notice.retire", "notice_not_published"),
		ok("notice.put", "1"), ok("notice.publish", "1"), no("notice.publish", "notice_not_draft"), no("notice.retire", "notice_owner"),
		ok("notice.put", "2"), ok("notice.publish", "2"), {action: "notice.read", result: journal.ResultOK}, ok("notice.retire", "2"),
	}
	if got := events(t, w); !slices.Equal(got, want) {
		t.Errorf("the journal has %v, want %v", got, want)
	}

	records, err := raw.LoadEntries(ctx, entry.KindItem, code, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	records[0].Owner = "me"
	if err := raw.SaveEntries(ctx, entry.KindItem, journal.Event{Log: journal.Registry, ID: rand.Text(), At: time.Now()}, records...); err != nil {
		t.Fatal(err)
	}
	if _, err := notices.Version(ctx, code, 0); !errors.Is(err, signing.ErrAltered) {
		t.Errorf("one that somebody altered: %v", err)
	}
}
