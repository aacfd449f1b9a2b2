package waiting

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/keeper"
	"yizheng.internal/oidc/request"
	"yizheng.internal/oidc/session"
	"yizheng.internal/signing/keystest"
	"yizheng.internal/storage/memory"
)

// clients is a store of one client, and participants of one participant.
type clients struct {
	client.Store
	id string
}

func (c clients) LoadClient(_ context.Context, id string) (client.Record, error) {
	if id != c.id {
		return client.Record{}, oidc.ErrNotFound
	}
	return client.Record{ID: id, Body: []byte(`{}`)}, nil
}

type participants struct{ identity.Participants }

func (participants) LoadParticipant(context.Context, string) (identity.Participant, error) {
	return identity.Participant{}, nil
}

// world is requests in memory, with the one client that asks.
type world struct {
	*Requests
	client oidc.Client
}

func newWorld(t *testing.T) world {
	t.Helper()
	vault, _, _, _ := keystest.NewVault(t)
	store := memory.New(memory.Config{})
	id := identity.NewID()
	return world{
		New(Config{
			Kept: keeper.New(store, vault, slog.New(slog.DiscardHandler)), Uses: store, Vault: vault,
			Clients: client.New(client.Config{Clients: clients{id: id}, Participants: participants{}}),
		}),
		oidc.Client{ID: id, RedirectURIs: []string{"https://app.example/back"}},
	}
}

var address = netip.MustParseAddr("192.0.2.1")

// begin stores a new request of a browser.
func (w world) begin(t *testing.T, b oidc.Browser) *Entry {
	t.Helper()
	e := NewEntry(b)
	e.Request.Client = w.client.ID
	w.keep(t, e)
	return e
}

func (w world) keep(t *testing.T, e *Entry) {
	t.Helper()
	if err := w.Keep(t.Context(), e, oidc.NewHandle(), address, ""); err != nil {
		t.Fatal(err)
	}
}

// find loads a stored request.
func (w world) find(t *testing.T, handle oidc.Secret, b oidc.Browser) *Entry {
	t.Helper()
	e, err := w.Find(t.Context(), handle, b)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newBrowser() oidc.Browser { return oidc.Browser{ID: oidc.NewBrowserID(), Address: address} }

// Two calls change a request at once: who saves second makes the same changes in what the first
// one saved.
func TestChangesMeet(t *testing.T) {
	w, b := newWorld(t), newBrowser()
	handle := w.begin(t, b).Handle
	first, second := w.find(t, handle, b), w.find(t, handle, b)
	first.Note(func(k *Kept) { k.Login = "session" })
	second.Note(func(k *Kept) { k.Confirmed = "session" })
	for _, e := range []*Entry{first, second} {
		if err := w.Save(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if e := w.find(t, handle, b); e.Login != "session" || e.Confirmed != "session" {
		t.Errorf("stored: login %q, confirmed %q", e.Login, e.Confirmed)
	}
	// What was saved is noted no more: it doesn't undo what came later.
	second.Note(func(k *Kept) { k.Login = "a later one" })
	for _, e := range []*Entry{second, first} {
		if err := w.Save(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if e := w.find(t, handle, b); e.Login != "a later one" {
		t.Errorf("saved once more: login %q", e.Login)
	}
}

// A request that was stored just now can be changed without finding it first.
func TestChangeAfterKeep(t *testing.T) {
	w, b := newWorld(t), newBrowser()
	e := w.begin(t, b)
	e.Note(func(k *Kept) { k.Login = "session" })
	if err := w.Save(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if found := w.find(t, e.Handle, b); found.Login != "session" {
		t.Errorf("login %q", found.Login)
	}
}

// Of two answers one counts, and of changes beside an answer none.
func TestOneAnswer(t *testing.T) {
	w, b := newWorld(t), newBrowser()
	handle := w.begin(t, b).Handle
	first, second, changed := w.find(t, handle, b), w.find(t, handle, b), w.find(t, handle, b)
	consented := []oidc.Scope{oidc.ScopeOpenID}
	if err := w.Answer(t.Context(), first, &w.client, Answer{Form: "form", Session: "session", Consented: consented}); err != nil {
		t.Fatal(err)
	}
	changed.Note(func(k *Kept) { k.Login = "another" })
	for name, err := range map[string]error{
		"a second answer":    w.Answer(t.Context(), second, &w.client, Answer{}),
		"the first, again":   w.Answer(t.Context(), first, &w.client, Answer{}),
		"a change beside it": w.Save(t.Context(), changed),
	} {
		if e, ok := errors.AsType[*oidc.GoneError](err); !ok || e.Client.ID != w.client.ID {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, e := range map[string]*Entry{"found": w.find(t, handle, b), "who came second": second} {
		if !e.AnsweredByForm("form") || e.Session != "session" || !slices.Equal(e.Consented, consented) || e.Login != "" {
			t.Errorf("%s: %+v", name, e.Kept)
		}
	}
}

// Nobody is told of a client that is there no more.
func TestGoneWithoutClient(t *testing.T) {
	w := newWorld(t)
	e := NewEntry(newBrowser())
	e.Request.Client = identity.NewID()
	err := w.Gone(t.Context(), e)
	if _, told := errors.AsType[*oidc.GoneError](err); told || !errors.Is(err, oidc.ErrRequestGone) {
		t.Errorf("%v", err)
	}
}

// Two browsers begin with the same pushed request. One gets an answer; the other's request
// counts as answered by no form, so that its form gets nothing if it is sent again.
func TestOnePushedRequest(t *testing.T) {
	w := newWorld(t)
	uri, life, err := w.Push(t.Context(), request.Request{Client: w.client.ID, Destination: request.Destination{RedirectURI: w.client.RedirectURIs[0]}})
	if err != nil || life != pushedLife {
		t.Fatal(life, err)
	}
	handle, ok := PushedHandle(uri)
	if !ok {
		t.Fatalf("%s is no request_uri", uri)
	}
	gone := func(what string, err error) {
		t.Helper()
		if e, ok := errors.AsType[*oidc.RequestError](err); !ok || e.Refusal.Reason != oidc.ReasonRequestURIGone {
			t.Errorf("%s: %v", what, err)
		}
	}
	var entries []*Entry
	for range 2 {
		e := NewEntry(newBrowser())
		if err := w.TakePushed(t.Context(), e, &w.client, handle); err != nil {
			t.Fatal(err)
		}
		w.keep(t, e)
		entries = append(entries, e)
	}
	if err := w.Answer(t.Context(), entries[0], &w.client, Answer{Session: "session"}); err != nil {
		t.Fatal(err)
	}
	gone("the second answer", w.Answer(t.Context(), entries[1], &w.client, Answer{Session: "session"}))
	if !entries[0].AnsweredByLogin() || !entries[1].IsAnswered() || entries[1].AnsweredByLogin() {
		t.Errorf("answered: %+v, %+v", entries[0].Kept, entries[1].Kept)
	}
	gone("taken after the answer", w.TakePushed(t.Context(), NewEntry(newBrowser()), &w.client, handle))
}

// A pushed request is its client's, for where the client may still be answered.
func TestWhosePushedRequest(t *testing.T) {
	w := newWorld(t)
	uri, _, err := w.Push(t.Context(), request.Request{Client: w.client.ID, Destination: request.Destination{RedirectURI: w.client.RedirectURIs[0]}})
	if err != nil {
		t.Fatal(err)
	}
	handle, _ := PushedHandle(uri)
	moved := w.client
	moved.RedirectURIs = []string{"https://app.example/elsewhere"}
	for name, try := range map[string]struct {
		client oidc.Client
		handle oidc.Secret
	}{
		"another client":        {oidc.Client{ID: identity.NewID(), RedirectURIs: w.client.RedirectURIs}, handle},
		"a client that moved":   {moved, handle},
		"another handle":        {w.client, oidc.NewHandle()},
		"what can't be one":     {w.client, oidc.SecretOf("../x")},
		"the handle's own hash": {w.client, oidc.SecretOf(handle.Hash().String())},
	} {
		e := NewEntry(newBrowser())
		err := w.TakePushed(t.Context(), e, &try.client, try.handle)
		if _, refused := errors.AsType[*oidc.RequestError](err); !refused || e.Pushed != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := PushedHandle("https://app.example/request.jwt"); ok {
		t.Error("a URL counts as a pushed request")
	}
}

// A browser that loads the page again comes to the request that it began.
func TestPerBrowser(t *testing.T) {
	pushed, b := oidc.NewHandle(), newBrowser()
	mine := PerBrowser(pushed, b)
	if !mine.IsHandle() || mine != PerBrowser(pushed, b) {
		t.Error("one browser gets two handles")
	}
	for name, other := range map[string]oidc.Secret{
		"another browser": PerBrowser(pushed, newBrowser()), "another request": PerBrowser(oidc.NewHandle(), b),
		"the pushed one": pushed,
	} {
		if other == mine {
			t.Errorf("%s: the same handle", name)
		}
	}
	if one, other := PerBrowser(pushed, oidc.Browser{}), PerBrowser(pushed, oidc.Browser{}); one == other {
		t.Error("two browsers without a cookie share a handle")
	}
}

// What anybody can cause to be stored goes soon and gives way; who has logged in has room.
func TestKeeping(t *testing.T) {
	w := newWorld(t)
	began := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		kept Kept
		now  time.Duration // since it began
		part ephemeral.Part
		life time.Duration
	}{
		"unopened":           {Kept{}, 0, ephemeral.PartUnopened, 5 * time.Minute},
		"opened":             {Kept{Opened: true}, 4 * time.Minute, ephemeral.PartOpened, 30 * time.Minute},
		"logged in":          {Kept{Opened: true, Account: "a"}, 4 * time.Minute, ephemeral.PartReserved, 30 * time.Minute},
		"answered":           {Kept{Opened: true, Account: "a", Answered: began}, 10 * time.Minute, ephemeral.PartReserved, 15 * time.Minute},
		"answered late":      {Kept{Opened: true, Answered: began}, 29 * time.Minute, ephemeral.PartOpened, 30 * time.Minute},
		"answered, unopened": {Kept{Answered: began}, time.Minute, ephemeral.PartUnopened, 5 * time.Minute},
	} {
		tt.kept.Began, tt.kept.Asker = began, "asker"
		how, err := w.keeping(t.Context(), &tt.kept, began.Add(tt.now))
		if err != nil {
			t.Fatal(err)
		}
		if how.Part != tt.part || how.Until != began.Add(tt.life) || (how.Owner == "asker") == (tt.kept.Account != "") {
			t.Errorf("%s: part %d, for %v, of %q", name, how.Part, how.Until.Sub(began), how.Owner)
		}
	}
}

// An answer can come again for a minute, by what gave it and by nothing else.
func TestAnsweredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for name, tt := range map[string]struct {
			kept        Kept
			login, form bool
		}{
			"not answered": {Kept{}, false, false},
			"by a login":   {Kept{Answered: now, Session: "s"}, true, false},
			"by a form":    {Kept{Answered: now, Session: "s", Form: "form"}, false, true},
			"by another":   {Kept{Answered: now, Session: "s", Form: "another"}, false, false},
			"by a refusal": {Kept{Answered: now}, false, false},
		} {
			k := tt.kept
			if k.AnsweredByLogin() != tt.login || k.AnsweredByForm("form") != tt.form {
				t.Errorf("%s: login %t, form %t", name, k.AnsweredByLogin(), k.AnsweredByForm("form"))
			}
			if k.AnsweredByForm("") {
				t.Errorf("%s: by a form without an id", name)
			}
			k.Answered = k.Answered.Add(-session.FormAgain - time.Second)
			if k.AnsweredByLogin() || k.AnsweredByForm("form") {
				t.Errorf("%s: a minute later", name)
			}
		}
	})
}
