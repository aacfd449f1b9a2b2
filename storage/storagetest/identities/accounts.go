package identities

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/storage/storagetest/suite"
)

// Accounts tests [identity.Accounts].
func Accounts(t *testing.T, open suite.Open) {
	s := open(t).Provider
	t.Run("RoundTrip", func(t *testing.T) { accountsRoundTrip(t, s) })
	t.Run("Exists", func(t *testing.T) { accountsExist(t, s) })
	t.Run("Update", func(t *testing.T) { accountsUpdate(t, s) })
	t.Run("Logins", func(t *testing.T) { accountsLogins(t, s) })
	t.Run("Race", func(t *testing.T) { accountsRace(t, s) })
	t.Run("List", func(t *testing.T) { accountsList(t, open(t).Provider) })
	t.Run("Ended", func(t *testing.T) {
		a := newAccount()
		suite.Is(t, "CreateAccount", s.CreateAccount(suite.Ended(), a), context.Canceled)
		_, err := s.LoadAccount(t.Context(), a.ID)
		suite.Is(t, "LoadAccount after that", err, identity.ErrNotFound)
		_, err = s.LoadAccount(suite.Ended(), a.ID)
		suite.Is(t, "LoadAccount", err, context.Canceled)
		_, err = s.LoadAccountOf(suite.Ended(), a.Party)
		suite.Is(t, "LoadAccountOf", err, context.Canceled)
		_, err = s.FindAccount(suite.Ended(), a.Logins)
		suite.Is(t, "FindAccount", err, context.Canceled)
		suite.Is(t, "UpdateAccount", s.UpdateAccount(suite.Ended(), a), context.Canceled)
		_, err = s.ListAccounts(suite.Ended(), "", 1)
		suite.Is(t, "ListAccounts", err, context.Canceled)
	})
}

// newAccount makes a record of an account that isn't stored, with two logins,
// each under two lookup keys.
func newAccount() identity.AccountRecord {
	return identity.AccountRecord{
		ID: suite.NewText(), Party: suite.NewText(), Body: []byte("sealed account"), Created: suite.At(0), Updated: suite.At(1),
		Logins: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2), suite.NewKey(), suite.NewKeyOf(2)},
	}
}

func createAccount(t *testing.T, s identity.Accounts, a identity.AccountRecord) identity.AccountRecord {
	t.Helper()
	suite.Must(t, "CreateAccount", s.CreateAccount(t.Context(), a))
	a.Revision = 1
	return a
}

// sameAccount compares the stored account, by ID, by each of its logins and by all.
func sameAccount(t *testing.T, s identity.Accounts, what string, want identity.AccountRecord) {
	t.Helper()
	logins := want.Logins
	want.Logins = nil
	got, err := s.LoadAccount(t.Context(), want.ID)
	suite.Must(t, what+": LoadAccount", err)
	suite.Same(t, what, got, want)
	got, err = s.LoadAccountOf(t.Context(), want.Party)
	suite.Must(t, what+": LoadAccountOf", err)
	suite.Same(t, what+", of its party", got, want)
	for _, keys := range findable(logins) {
		got, err = s.FindAccount(t.Context(), keys)
		suite.Must(t, what+": FindAccount", err)
		suite.Same(t, what+", found by a login", got, want)
	}
}

func noAccount(t *testing.T, s identity.Accounts, what string, keys ...signing.Lookup) {
	t.Helper()
	_, err := s.FindAccount(t.Context(), keys)
	suite.Is(t, what, err, identity.ErrNotFound)
}

func accountsRoundTrip(t *testing.T, s identity.Accounts) {
	a := newAccount()
	a.Revision, a.Disabled, a.Created, a.Updated = 9, true, suite.Finer, suite.Finer
	a.Logins = append(a.Logins, a.Logins[0]) // one twice
	a = createAccount(t, s, a)
	a.Created, a.Updated = suite.Kept, suite.Kept
	sameAccount(t, s, "an account", a)
	bare := identity.AccountRecord{ID: suite.NewText(), Party: suite.NewText(), Body: []byte{}}
	sameAccount(t, s, "one without logins", createAccount(t, s, bare))
	bare = identity.AccountRecord{ID: suite.NewText(), Party: suite.NewText()}
	sameAccount(t, s, "one without a body", createAccount(t, s, bare))

	_, err := s.LoadAccount(t.Context(), suite.NewText())
	suite.Is(t, "an unknown ID", err, identity.ErrNotFound)
	_, err = s.LoadAccountOf(t.Context(), suite.NewText())
	suite.Is(t, "an unknown party", err, identity.ErrNotFound)
	noAccount(t, s, "an unknown login", suite.NewKey(), suite.NewKeyOf(2))
	noAccount(t, s, "no login")
	noAccount(t, s, "a login under another key", signing.Lookup{Serial: 3, Sum: a.Logins[0].Sum})
}

func accountsExist(t *testing.T, s identity.Accounts) {
	a := createAccount(t, s, newAccount())
	for name, spoil := range map[string]func(*identity.AccountRecord){
		"an ID again":     func(twin *identity.AccountRecord) { twin.ID = a.ID },
		"a party again":   func(twin *identity.AccountRecord) { twin.Party = a.Party },
		"a login again":   func(twin *identity.AccountRecord) { twin.Logins = append(twin.Logins, a.Logins[0]) },
		"another one too": func(twin *identity.AccountRecord) { twin.Logins = append(twin.Logins, a.Logins[3]) },
	} {
		twin := newAccount()
		free := twin.Logins
		spoil(&twin)
		suite.Is(t, name, s.CreateAccount(t.Context(), twin), identity.ErrExists)
		noAccount(t, s, name+": FindAccount after that", free...)
		if twin.ID != a.ID {
			_, err := s.LoadAccount(t.Context(), twin.ID)
			suite.Is(t, name+": LoadAccount after that", err, identity.ErrNotFound)
		}
		sameAccount(t, s, "the account that is there", a)
		if twin.ID != a.ID && twin.Party != a.Party { // what was refused is not in the way
			twin.Logins = free
			sameAccount(t, s, "a better try", createAccount(t, s, twin))
		}
	}
}

func accountsUpdate(t *testing.T, s identity.Accounts) {
	ctx := t.Context()
	a := createAccount(t, s, newAccount())
	a.Body, a.Disabled, a.Updated = nil, true, suite.Finer
	suite.Must(t, "UpdateAccount", s.UpdateAccount(ctx, a))
	a.Revision, a.Updated = 2, suite.Kept
	sameAccount(t, s, "an updated account", a)
	for _, revision := range []int64{0, 1, 3} {
		wrong := a
		wrong.Revision, wrong.Body, wrong.Logins = revision, []byte("wrong"), []signing.Lookup{suite.NewKey()}
		suite.Is(t, fmt.Sprint("UpdateAccount of revision ", revision), s.UpdateAccount(ctx, wrong), identity.ErrConflict)
		noAccount(t, s, "its logins", wrong.Logins...)
	}
	unknown := newAccount()
	unknown.Revision = 1
	suite.Is(t, "UpdateAccount of an unknown one", s.UpdateAccount(ctx, unknown), identity.ErrConflict)
	noAccount(t, s, "its logins", unknown.Logins...)

	moved := a
	moved.Party, moved.Created = suite.NewText(), suite.At(77)
	suite.Must(t, "UpdateAccount", s.UpdateAccount(ctx, moved))
	a.Revision = 3
	sameAccount(t, s, "the account after its party was to change", a)
	other := newAccount()
	other.Party = moved.Party
	sameAccount(t, s, "that party's own account", createAccount(t, s, other))
}

// accountsLogins changes logins, as when somebody has another phone.
func accountsLogins(t *testing.T, s identity.Accounts) {
	ctx := t.Context()
	a, other := createAccount(t, s, newAccount()), createAccount(t, s, newAccount())
	former := a.Logins[:2]
	a.Logins = append(slices.Clone(a.Logins[2:]), suite.NewKey(), suite.NewKeyOf(2))
	suite.Must(t, "UpdateAccount", s.UpdateAccount(ctx, a))
	a.Revision = 2
	sameAccount(t, s, "with other logins", a)
	noAccount(t, s, "the logins before", former...)

	thief := a
	thief.Logins = append(slices.Clone(a.Logins), suite.NewKey(), other.Logins[3])
	suite.Is(t, "a login that leads to another", s.UpdateAccount(ctx, thief), identity.ErrExists)
	noAccount(t, s, "the login beside it", thief.Logins[4])
	sameAccount(t, s, "the account after that", a)
	sameAccount(t, s, "the other one", other)

	other.Logins = former
	suite.Must(t, "logins that are free again", s.UpdateAccount(ctx, other))
	other.Revision = 2
	sameAccount(t, s, "with logins that were another's", other)
	a.Logins = nil
	suite.Must(t, "no logins at all", s.UpdateAccount(ctx, a))
	a.Revision = 3
	sameAccount(t, s, "without logins", a)
}

func accountsRace(t *testing.T, s identity.Accounts) {
	for name, prepare := range map[string]func([]identity.AccountRecord){
		"a login": func(as []identity.AccountRecord) {
			for i := range as {
				as[i].Logins = append(as[i].Logins, as[0].Logins[0])
				if i%2 == 1 {
					slices.Reverse(as[i].Logins)
				}
			}
		},
		"a party": func(as []identity.AccountRecord) {
			for i := range as {
				as[i].Party = as[0].Party
			}
		},
	} {
		as := make([]identity.AccountRecord, suite.Writers)
		for i := range as {
			as[i] = newAccount()
		}
		prepare(as)
		errs := suite.Race(suite.Writers, func(i int) error { return s.CreateAccount(t.Context(), as[i]) })
		winner := suite.OneWins(t, name, errs, identity.ErrExists)
		a := as[winner]
		a.Revision = 1
		sameAccount(t, s, "the winner", a)
		for i, loser := range as {
			if i != winner {
				_, err := s.LoadAccount(t.Context(), loser.ID)
				suite.Is(t, "a loser", err, identity.ErrNotFound)
			}
		}
		errs = suite.Race(suite.Writers, func(int) error { return s.UpdateAccount(t.Context(), a) })
		suite.OneWins(t, "an update", errs, identity.ErrConflict)
	}
}

func accountsList(t *testing.T, s identity.Accounts) {
	var want []identity.AccountRecord
	for i := range 7 {
		a := newAccount()
		a.ID = fmt.Sprintf("account-%d", i)
		a = createAccount(t, s, a)
		a.Logins = nil
		want = append(want, a)
	}
	for size := 1; size < 10; size += 2 {
		got := suite.Paged(t, size, func(last *identity.AccountRecord) ([]identity.AccountRecord, error) {
			after := ""
			if last != nil {
				after = last.ID
			}
			return s.ListAccounts(t.Context(), after, size)
		})
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	none, err := s.ListAccounts(t.Context(), "", 0)
	suite.Must(t, "ListAccounts", err)
	suite.Same(t, "accounts up to limit 0", len(none), 0)
}
