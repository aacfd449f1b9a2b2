package grant_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/library"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/registry"
)

func TestAgreeAndDeliver(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	out := w.IssueOne(t, "A-1")
	g := w.Agree(t, nil)
	if g.State != grant.Pending || g.Materials["operator-certificate"] != offers.OutcomeGranted || g.Materials["spouse-certificate"] != offers.OutcomeUncollected {
		t.Errorf("agreed: %+v", g)
	}
	d := w.Deliver(t, g.ID)
	if d.Grant.State != grant.Active || d.Grant.Until.Sub(d.Grant.Activated) != time.Hour || len(d.Materials) != 2 {
		t.Errorf("delivered: %+v", d)
	}
	m := d.Materials[0]
	if m.License != out.ID || m.Outcome != offers.OutcomeGranted || m.TypeCode != typeCode || m.UseCode.IsZero() || slices.Contains(m.Fields, "fields/grade") {
		t.Errorf("delivered: %+v", m)
	}
	if d.Materials[1].Outcome != offers.OutcomeUncollected || !d.Materials[1].UseCode.IsZero() {
		t.Errorf("what isn't there: %+v", d.Materials[1])
	}
	// Again with the same authorization code, on another node: the same answer.
	again, err := w.Open(t).Grants.Deliver(t.Context(), consumer, g.ID, codeHash)
	if err != nil || again.Materials[0].UseCode != m.UseCode || !again.Grant.Until.Equal(d.Grant.Until) {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := w.Grants.Deliver(t.Context(), consumer, g.ID, [32]byte{4}); reason(t, err) != "grant_delivered" {
		t.Errorf("for another code: %v", err)
	}
	other := consumer
	other.Client = "another"
	for _, id := range []grant.ID{g.ID, "abcdefghijklmnopqrstuvwxyz", "", "x"} {
		a := consumer
		if id == g.ID {
			a = other
		}
		if _, err := w.Grants.Deliver(t.Context(), a, id, codeHash); reason(t, err) != "grant_unknown" {
			t.Errorf("%q by %s: %v", id, a.Client, err)
		}
	}
	_, ls, err := w.Grants.Shared(t.Context(), consumer, g.ID)
	if err != nil || len(ls) != 1 || ls[0].License != out.ID || ls[0].Reason != "" || !ls[0].Until.Equal(d.Grant.Until) {
		t.Errorf("shared: %+v, %v", ls, err)
	}
	if _, _, err := w.Grants.Shared(t.Context(), other, g.ID); reason(t, err) != "grant_unknown" {
		t.Errorf("shared with another client: %v", err)
	}
}

func TestChangedBeforeDelivery(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(t *testing.T, w *world, id audit.ID){
		"license_superseded": func(t *testing.T, w *world, id audit.ID) { w.Change(t, id) },
		"license_suspended":  func(t *testing.T, w *world, id audit.ID) { w.Suspend(t, id) },
		"license_ended": func(t *testing.T, w *world, id audit.ID) {
			if _, err := w.Registry.End(t.Context(), issuer, id, ending(), registry.Terms{}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			w := newSharing(t)
			out := w.IssueOne(t, "A-1")
			g := w.Agree(t, nil)
			change(t, w, out.ID)
			for range 2 { // and the same when asked again
				m := w.Deliver(t, g.ID).Materials[0]
				if string(m.Reason) != want || !m.UseCode.IsZero() {
					t.Errorf("delivered %+v, want nothing for %s", m, want)
				}
			}
			_, ls, err := w.Grants.Shared(t.Context(), consumer, g.ID)
			if err != nil || string(ls[0].Reason) != want {
				t.Errorf("shared: %+v, %v", ls, err)
			}
		})
	}
}

func TestPendingGrantLapses(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	g := w.Agree(t, nil)
	late := w.OpenOn(t, stores{Stores: w.DB.Licenses(), OnLoadGrant: func(g *grant.Record) { g.Expires = g.Created; w.Restamp(g) }}, nil)
	if _, err := late.Grants.Deliver(t.Context(), consumer, g.ID, codeHash); reason(t, err) != "grant_expired" {
		t.Errorf("delivered: %v", err)
	}
	if s, err := late.Grants.State(t.Context(), g.ID); err != nil || s.State != grant.Ended || s.EndedBy != grant.EndedByExpired {
		t.Errorf("state: %+v, %v", s, err)
	}
	short := w.Agree(t, func(c *grant.Consent) { c.Until = time.Now().Add(20 * time.Millisecond) })
	time.Sleep(30 * time.Millisecond)
	if _, err := w.Grants.Deliver(t.Context(), consumer, short.ID, codeHash); reason(t, err) != "grant_expired" {
		t.Errorf("after the end that the holder set: %v", err)
	}
}

func TestDeliverRaces(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	g := w.Agree(t, nil)
	nodes := []*library.Library{w.Library, w.Open(t)}
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[grant.UseCode]byte{}
	for i := range 32 {
		wg.Go(func() {
			// Two authorization codes, of which one can win.
			d, err := nodes[i%2].Grants.Deliver(t.Context(), consumer, g.ID, [32]byte{byte(i / 16)})
			if err != nil {
				if got := reason(t, err); got != "grant_delivered" {
					t.Errorf("a loser: %v", err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if by, ok := codes[d.Materials[0].UseCode]; ok && by != byte(i/16) {
				t.Error("both authorization codes won")
			}
			codes[d.Materials[0].UseCode] = byte(i / 16)
		})
	}
	wg.Wait()
	if len(codes) != 1 {
		t.Errorf("%d different use codes", len(codes))
	}
}

func TestRevokeAndWithdraw(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	ctx := t.Context()
	g := w.Agree(t, nil)
	if err := w.Grants.Revoke(ctx, consumer, g.ID, grant.EndedByReuse); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Grants.Deliver(ctx, consumer, g.ID, codeHash); reason(t, err) != "grant_ended" {
		t.Errorf("delivering a revoked grant: %v", err)
	}
	if s, err := w.Grants.State(ctx, g.ID); err != nil || s.State != grant.Ended || s.EndedBy != grant.EndedByReuse {
		t.Errorf("state: %+v, %v", s, err)
	}
	if err := w.Grants.Revoke(ctx, consumer, g.ID, "a whim"); err == nil {
		t.Error("revoked for an unknown reason")
	}
	g = w.Agree(t, nil)
	w.Deliver(t, g.ID)
	stranger := subject()
	stranger.Party = "party-2"
	if _, err := w.Grants.Withdraw(ctx, consumer, stranger, g.ID); reason(t, err) != "grant_unknown" {
		t.Errorf("withdrawn by a stranger: %v", err)
	}
	acting := subject()
	acting.Acting = "org-1"
	if _, err := w.Grants.Withdraw(ctx, consumer, acting, g.ID); reason(t, err) != "grant_unknown" {
		t.Errorf("withdrawn for an organization: %v", err)
	}
	out, err := w.Grants.Withdraw(ctx, consumer, subject(), g.ID)
	if err != nil || out.State != grant.Ended || out.EndedBy != grant.EndedByHolder {
		t.Errorf("withdrawn: %+v, %v", out, err)
	}
	// From then on the time runs for which what has ended is kept.
	if rec, _, err := w.DB.Licenses().LoadGrant(ctx, g.ID); err != nil || !rec.Expires.Equal(out.Ended) {
		t.Errorf("stored as over at %v, and it ended at %v, %v", rec.Expires, out.Ended, err)
	}
	if again, err := w.Grants.Withdraw(ctx, consumer, subject(), g.ID); err != nil || !again.Ended.Equal(out.Ended) {
		t.Errorf("withdrawn twice: %+v, %v", again, err)
	}
	if err := w.Grants.Revoke(ctx, consumer, g.ID, grant.EndedByToken); err != nil {
		t.Errorf("revoking what is withdrawn: %v", err)
	}
	if s, _ := w.Grants.State(ctx, g.ID); s.EndedBy != grant.EndedByHolder {
		t.Errorf("ended by %s", s.EndedBy)
	}
	if _, err := w.Grants.State(ctx, "x"); reason(t, err) != "grant_unknown" {
		t.Errorf("state of nothing: %v", err)
	}
}

func TestGrantsOfAParty(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	var want []grant.ID
	for range 5 {
		want = append(want, w.Agree(t, nil).ID)
	}
	slices.Reverse(want)
	var got []grant.ID
	for cursor := ""; ; {
		page, err := w.Grants.List(t.Context(), subject(), cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page.Grants {
			got = append(got, g.ID)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("grants %v, want %v", got, want)
	}
	if _, err := w.Grants.List(t.Context(), subject(), "x", 2); reason(t, err) != "cursor" {
		t.Errorf("bad cursor: %v", err)
	}
	other := subject()
	other.Party = "party-2"
	if page, err := w.Grants.List(t.Context(), other, "", 10); err != nil || len(page.Grants) != 0 {
		t.Errorf("another's grants: %+v, %v", page, err)
	}
}

// A grant whose plain columns were changed in the database is not believed.
func TestAlteredGrant(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	g := w.Agree(t, nil)
	w.Deliver(t, g.ID)
	if _, err := w.Grants.Withdraw(t.Context(), consumer, subject(), g.ID); err != nil {
		t.Fatal(err)
	}
	for name, alter := range map[string]func(*grant.Record){
		"state":  func(g *grant.Record) { g.State = grant.Active },
		"client": func(g *grant.Record) { g.Client = "another" },
		"body":   func(g *grant.Record) { g.Body[20] ^= 1 },
	} {
		r := w.OpenOn(t, stores{Stores: w.DB.Licenses(), OnLoadGrant: alter}, nil)
		_, err := r.Grants.State(t.Context(), g.ID)
		if _, refused := errors.AsType[*refusal.Error](err); err == nil || refused {
			t.Errorf("altered %s: %v", name, err)
		}
	}
}

// A process may die between any two steps: no grant without consent, and none
// that lasts without its code.
func TestAgreeAndDeliverCutOff(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"agree.resolved", "agree.saved", "deliver.minted", "deliver.saved"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			w := newSharing(t)
			w.IssueOne(t, "A-1")
			dying := w.OpenOn(t, w.DB.Licenses(), func(s string) {
				if s == step {
					panic("cut off")
				}
			})
			c := consentTo(offer(t, w.Library, subject()))
			var g grant.Grant
			cut := func(f func()) {
				defer func() { _ = recover() }()
				f()
			}
			agree := func(r *library.Library) (err error) {
				g, err = r.Grants.Agree(t.Context(), consumer, ask(), subject(), c)
				return err
			}
			cut(func() { _ = agree(dying) })
			if strings.HasPrefix(step, "agree") { // the browser sends it again
				if err := agree(w.Library); err != nil {
					t.Fatal(err)
				}
			}
			cut(func() { _, _ = dying.Grants.Deliver(t.Context(), consumer, g.ID, codeHash) })
			d := w.Deliver(t, g.ID)
			if _, err := w.Readings.Redeem(t.Context(), consumer, redeem(d, "1")); err != nil {
				t.Error(err)
			}
			if page, err := w.Grants.List(t.Context(), subject(), "", 10); err != nil || len(page.Grants) != 1 {
				t.Errorf("grants: %+v, %v", page.Grants, err)
			}
		})
	}
}

func TestRenew(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	out := w.IssueOne(t, "A-1")
	ctx := t.Context()
	once := w.Deliver(t, w.Agree(t, nil).ID)
	if _, err := w.Grants.Renew(ctx, consumer, once.Grant.ID); reason(t, err) != "grant_once" {
		t.Errorf("renewing a grant for one reading: %v", err)
	}
	pending := w.Agree(t, func(c *grant.Consent) { c.Recurring = true })
	if _, err := w.Grants.Renew(ctx, consumer, pending.ID); reason(t, err) != "grant_pending" {
		t.Errorf("renewing a pending grant: %v", err)
	}
	d := w.Deliver(t, pending.ID)
	same, err := w.Grants.Renew(ctx, consumer, pending.ID)
	if err != nil || same.Materials[0].UseCode != d.Materials[0].UseCode {
		t.Errorf("with an unused code: %+v, %v", same, err)
	}
	if _, err := w.Readings.Redeem(ctx, consumer, redeem(d, "1")); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	fresh := make([]grant.Delivery, 4)
	for i := range fresh {
		wg.Go(func() {
			var err error
			if fresh[i], err = w.Grants.Renew(ctx, consumer, pending.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, f := range fresh {
		if f.Materials[0].UseCode != fresh[0].Materials[0].UseCode || f.Materials[0].UseCode == d.Materials[0].UseCode {
			t.Fatalf("renewed at once: %v", fresh)
		}
	}
	if _, err := w.Readings.Redeem(ctx, consumer, redeem(fresh[0], "1")); err != nil {
		t.Errorf("the new code: %v", err)
	}
	w.Change(t, out.ID)
	left, err := w.Grants.Renew(ctx, consumer, pending.ID)
	if err != nil || left.Materials[0].Reason != "license_superseded" || !left.Materials[0].UseCode.IsZero() {
		t.Errorf("of a changed license: %+v, %v", left, err)
	}
	if _, err := w.Grants.Withdraw(ctx, consumer, subject(), pending.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Grants.Renew(ctx, consumer, pending.ID); reason(t, err) != "grant_ended" {
		t.Errorf("after withdrawing: %v", err)
	}
	if text := fmt.Sprintf("%+v", d); strings.Contains(text, d.Materials[0].UseCode.Reveal()) {
		t.Error("a delivery prints its use code")
	}
}

func FuzzParseUseCode(f *testing.F) {
	f.Add("abcdefghijklmnopqrstuvwxyz.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("abcdefghijklmnopqrstuvwxyz.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nA")
	f.Fuzz(func(t *testing.T, s string) {
		code, ok := grant.ParseUseCode(s)
		if !ok {
			return
		}
		if code.Reveal() != s || strings.ContainsAny(s, "\r\n =") {
			t.Errorf("accepted %q as %q", s, code.Reveal())
		}
		if text := fmt.Sprintf("%v %s %#v %q", code, code, code, code); strings.Contains(text, s) {
			t.Errorf("a code prints: %s", text)
		}
	})
}
