package identities

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/officer"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// Posts tests [officer.Store].
func Posts(t *testing.T, open suite.Open) {
	db := open(t)
	t.Run("RoundTrip", func(t *testing.T) { postsRoundTrip(t, db) })
	t.Run("Claims", func(t *testing.T) { postsClaims(t, db.Provider) })
	t.Run("Find", func(t *testing.T) { postsFind(t, db.Provider) })
	t.Run("Race", func(t *testing.T) { postsRace(t, db.Provider) })
	t.Run("List", func(t *testing.T) { postsList(t, open(t).Provider) })
	t.Run("Count", func(t *testing.T) { postsCount(t, db.Provider) })
	t.Run("Ended", func(t *testing.T) { postsEnded(t, db.Provider) })
}

func newPost() officer.Change {
	return officer.Change{
		Record: officer.Record{
			ID: suite.NewText(), Participant: suite.NewText(), Roles: "administrator supervisor", State: officer.Proposed, Body: []byte(suite.NewText()),
			Created: suite.At(0), Updated: suite.At(1), Auth: []byte("authenticator"),
			Claims: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}, Offered: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)},
		},
		Events: []journal.Event{ledger.ProviderEvent(), ledger.ProviderEvent()},
	}
}

func savePost(t *testing.T, s officer.Store, c officer.Change) officer.Change {
	t.Helper()
	suite.Must(t, "SavePost", s.SavePost(t.Context(), c))
	c.Record.Revision++
	c.Events = []journal.Event{ledger.ProviderEvent()}
	return c
}

// samePost compares the stored post, by its id and by each of its keys.
func samePost(t *testing.T, s officer.Store, what string, want officer.Record) {
	t.Helper()
	claims, offered := want.Claims, want.Offered
	want.Claims, want.Offered = nil, nil
	got, err := s.LoadPost(t.Context(), want.ID)
	suite.Must(t, what+": LoadPost", err)
	suite.Same(t, what, got, want)
	for _, key := range claims {
		found(t, s, what+": by a claim", officer.Whose{Claims: []signing.Lookup{suite.NewKey(), key}}, want.ID)
	}
	for _, key := range offered {
		found(t, s, what+": by an offer", officer.Whose{Offered: []signing.Lookup{key}}, want.ID)
	}
	if want.Party != "" {
		found(t, s, what+": by the party", officer.Whose{Party: want.Party}, want.ID)
	}
}

// found compares the ids of the posts that are found.
func found(t *testing.T, s officer.Store, what string, of officer.Whose, want ...string) {
	t.Helper()
	all, err := s.FindPosts(t.Context(), of, 100)
	suite.Must(t, what+": FindPosts", err)
	var ids []string
	for _, p := range all {
		ids = append(ids, p.ID)
	}
	suite.Same(t, what, ids, want)
}

func postsRoundTrip(t *testing.T, db suite.Database) {
	s := db.Provider
	c := newPost()
	first := c.Events
	c.Record.Created, c.Record.Updated = suite.Finer, suite.Finer
	c = savePost(t, s, c)
	c.Record.Created, c.Record.Updated = suite.Kept, suite.Kept
	samePost(t, s, "a post", c.Record)
	for _, e := range first {
		es, err := db.Journal.SearchEvents(t.Context(), journal.Provider, journal.Filter{Subject: e.Subject, Limit: 10})
		suite.Must(t, "SearchEvents", err)
		suite.Same(t, "its events", len(es), 1)
	}
	found(t, s, "an unknown key", officer.Whose{Claims: []signing.Lookup{suite.NewKey()}, Offered: []signing.Lookup{suite.NewKey()}})
	found(t, s, "nobody", officer.Whose{})

	twin := newPost()
	twin.Record.ID = c.Record.ID
	suite.Is(t, "an ID again", s.SavePost(t.Context(), twin), identity.ErrExists)
	old := c.Record
	c.Record.Party, c.Record.Roles, c.Record.State, c.Record.Body = suite.NewText(), "clerk", officer.Accepted, []byte("another body")
	c.Record.Updated, c.Record.Auth, c.Record.Mark = suite.At(7), []byte("another"), []byte("mark")
	c.Record.Claims, c.Record.Offered = []signing.Lookup{old.Claims[1], suite.NewKeyOf(3)}, nil
	c = savePost(t, s, c)
	samePost(t, s, "an updated post", c.Record)
	found(t, s, "keys that were replaced", officer.Whose{Claims: old.Claims[:1], Offered: old.Offered})
	for _, revision := range []int64{1, 3} {
		wrong := c
		wrong.Record.Revision, wrong.Record.Body = revision, []byte("wrong")
		suite.Is(t, fmt.Sprint("SavePost of revision ", revision), s.SavePost(t.Context(), wrong), identity.ErrConflict)
		es, err := db.Journal.SearchEvents(t.Context(), journal.Provider, journal.Filter{Subject: wrong.Events[0].Subject, Limit: 10})
		suite.Must(t, "SearchEvents", err)
		suite.Same(t, "events of what was refused", len(es), 0)
	}
	unknown := newPost()
	unknown.Record.Revision = 1
	suite.Is(t, "SavePost of an unknown one", s.SavePost(t.Context(), unknown), identity.ErrConflict)
	samePost(t, s, "the post after refusals", c.Record)
	_, err := s.LoadPost(t.Context(), suite.NewText())
	suite.Is(t, "an unknown ID", err, identity.ErrNotFound)
}

// postsClaims has posts want what another one has.
func postsClaims(t *testing.T, s officer.Store) {
	first, second := savePost(t, s, newPost()), savePost(t, s, newPost())
	twin := newPost()
	twin.Record.Claims = append(twin.Record.Claims, first.Record.Claims[1])
	suite.Is(t, "another's claim", s.SavePost(t.Context(), twin), identity.ErrExists)
	_, err := s.LoadPost(t.Context(), twin.Record.ID)
	suite.Is(t, "LoadPost after that", err, identity.ErrNotFound)
	wrong := second
	wrong.Record.Claims = []signing.Lookup{first.Record.Claims[0]}
	suite.Is(t, "an update to another's claim", s.SavePost(t.Context(), wrong), identity.ErrExists)
	samePost(t, s, "the first", first.Record)
	samePost(t, s, "the second", second.Record)

	freed := first.Record.Claims
	first.Record.State, first.Record.Claims, first.Record.Offered = officer.Ended, nil, nil
	savePost(t, s, first)
	second.Record.Claims = freed
	samePost(t, s, "who takes what is free", savePost(t, s, second).Record)
}

func postsFind(t *testing.T, s officer.Store) {
	party, key := suite.NewText(), suite.NewKey()
	var ids []string
	for i := range 5 {
		c := newPost()
		c.Record.ID = fmt.Sprintf("%s-%d", party, i)
		c.Record.Offered = []signing.Lookup{key}
		if i > 1 {
			c.Record.Party = party
		}
		savePost(t, s, c)
		ids = append(ids, c.Record.ID)
	}
	slices.Reverse(ids)
	found(t, s, "posts of a party", officer.Whose{Party: party}, ids[:3]...)
	found(t, s, "posts offered to somebody", officer.Whose{Offered: []signing.Lookup{key}}, ids...)
	found(t, s, "both, each once", officer.Whose{Party: party, Offered: []signing.Lookup{key}}, ids...)
	few, err := s.FindPosts(t.Context(), officer.Whose{Party: party, Offered: []signing.Lookup{key}}, 2)
	suite.Must(t, "FindPosts", err)
	suite.Same(t, "how many are found", len(few), 2)
	suite.Same(t, "the newest", few[0].ID, ids[0])
}

func postsRace(t *testing.T, s officer.Store) {
	all := make([]officer.Change, suite.Writers)
	key := suite.NewKey()
	for i := range all {
		all[i] = newPost()
		all[i].Record.Claims = append(all[i].Record.Claims, key)
	}
	errs := suite.Race(suite.Writers, func(i int) error { return s.SavePost(t.Context(), all[i]) })
	won := all[suite.OneWins(t, "a claim", errs, identity.ErrExists)]
	won.Record.Revision = 1
	samePost(t, s, "the winner", won.Record)
	for i := range all {
		all[i] = won
		all[i].Record.State, all[i].Events = officer.Ended, []journal.Event{ledger.ProviderEvent()}
	}
	errs = suite.Race(suite.Writers, func(i int) error { return s.SavePost(t.Context(), all[i]) })
	suite.OneWins(t, "an update", errs, identity.ErrConflict)
}

func postsList(t *testing.T, s officer.Store) {
	in := suite.NewText()
	var all []officer.Record
	for i := range 9 {
		c := newPost()
		c.Record.ID, c.Record.Roles = fmt.Sprintf("post-%d", i), []string{"administrator", "clerk", "supervisor administrator"}[i%3]
		if i < 6 {
			c.Record.Participant = in
		}
		if i%2 == 1 {
			c.Record.State = officer.Ended
		}
		c = savePost(t, s, c)
		c.Record.Claims, c.Record.Offered = nil, nil
		all = append(all, c.Record)
	}
	for what, test := range map[string]struct {
		f    officer.Filter
		want []int
	}{
		"all":                             {officer.Filter{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}},
		"a participant's":                 {officer.Filter{Participant: in}, []int{0, 1, 2, 3, 4, 5}},
		"a participant's that go on":      {officer.Filter{Participant: in, Live: true}, []int{0, 2, 4}},
		"a participant's administrators":  {officer.Filter{Participant: in, Role: officer.Administrator}, []int{0, 2, 3, 5}},
		"all clerks that go on":           {officer.Filter{Live: true, Role: officer.Clerk}, []int{4}},
		"those of an unknown participant": {officer.Filter{Participant: "unknown"}, nil},
		"a part of a role's name":         {officer.Filter{Role: "admin"}, nil},
	} {
		var want []officer.Record
		for _, i := range test.want {
			want = append(want, all[i])
		}
		for _, size := range []int{2, 10} {
			got := suite.Paged(t, size, func(last *officer.Record) ([]officer.Record, error) {
				after := ""
				if last != nil {
					after = last.ID
				}
				return s.ListPosts(t.Context(), test.f, after, size)
			})
			suite.Same(t, what, got, want)
		}
	}
	none, err := s.ListPosts(t.Context(), officer.Filter{}, "", 0)
	suite.Must(t, "ListPosts", err)
	suite.Same(t, "posts up to limit 0", len(none), 0)
}

func postsCount(t *testing.T, s officer.Store) {
	in := suite.NewText()
	for i := range 5 {
		c := newPost()
		c.Record.Participant, c.Record.Created = in, suite.At(i*10)
		if i < 2 {
			c.Record.State = officer.Ended
		}
		savePost(t, s, c)
	}
	live, made, err := s.CountPosts(t.Context(), in, suite.At(10))
	suite.Must(t, "CountPosts", err)
	suite.Same(t, "posts that go on, and new ones", [2]int{live, made}, [2]int{3, 4})
	live, made, err = s.CountPosts(t.Context(), suite.NewText(), suite.At(0))
	suite.Must(t, "CountPosts", err)
	suite.Same(t, "posts of nobody", [2]int{live, made}, [2]int{0, 0})
}

func postsEnded(t *testing.T, s officer.Store) {
	c := newPost()
	suite.Is(t, "SavePost", s.SavePost(suite.Ended(), c), context.Canceled)
	_, err := s.LoadPost(t.Context(), c.Record.ID)
	suite.Is(t, "LoadPost after that", err, identity.ErrNotFound)
	_, err = s.LoadPost(suite.Ended(), c.Record.ID)
	suite.Is(t, "LoadPost", err, context.Canceled)
	_, err = s.FindPosts(suite.Ended(), officer.Whose{Party: "party"}, 1)
	suite.Is(t, "FindPosts", err, context.Canceled)
	_, err = s.ListPosts(suite.Ended(), officer.Filter{}, "", 1)
	suite.Is(t, "ListPosts", err, context.Canceled)
	_, _, err = s.CountPosts(suite.Ended(), "participant", suite.At(0))
	suite.Is(t, "CountPosts", err, context.Canceled)
}
