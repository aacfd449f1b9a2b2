package storagetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
)

// Accounts tests [identity.Accounts].
func Accounts(t *testing.T, open Open) {
	s := open(t).Provider
	t.Run("RoundTrip", func(t *testing.T) { accountsRoundTrip(t, s) })
	t.Run("Exists", func(t *testing.T) { accountsExist(t, s) })
	t.Run("Update", func(t *testing.T) { accountsUpdate(t, s) })
	t.Run("Logins", func(t *testing.T) { accountsLogins(t, s) })
	t.Run("Race", func(t *testing.T) { accountsRace(t, s) })
	t.Run("List", func(t *testing.T) { accountsList(t, open(t).Provider) })
	t.Run("Ended", func(t *testing.T) {
		a := newAccount()
		is(t, "CreateAccount", s.CreateAccount(ended(), a), context.Canceled)
		_, err := s.LoadAccount(t.Context(), a.ID)
		is(t, "LoadAccount after that", err, identity.ErrNotFound)
		_, err = s.LoadAccount(ended(), a.ID)
		is(t, "LoadAccount", err, context.Canceled)
		_, err = s.LoadAccountOf(ended(), a.Party)
		is(t, "LoadAccountOf", err, context.Canceled)
		_, err = s.FindAccount(ended(), a.Logins)
		is(t, "FindAccount", err, context.Canceled)
		is(t, "UpdateAccount", s.UpdateAccount(ended(), a), context.Canceled)
		_, err = s.ListAccounts(ended(), "", 1)
		is(t, "ListAccounts", err, context.Canceled)
	})
}

// newAccount makes a record of an account that isn't stored, with two logins,
// each under two lookup keys.
func newAccount() identity.AccountRecord {
	return identity.AccountRecord{
		ID: newText(), Party: newText(), Body: []byte("sealed account"), Created: at(0), Updated: at(1),
		Logins: []signing.Lookup{newKey(), newKeyOf(2), newKey(), newKeyOf(2)},
	}
}

func createAccount(t *testing.T, s identity.Accounts, a identity.AccountRecord) identity.AccountRecord {
	t.Helper()
	must(t, "CreateAccount", s.CreateAccount(t.Context(), a))
	a.Revision = 1
	return a
}

// sameAccount compares the stored account, by ID, by each of its logins and by all.
func sameAccount(t *testing.T, s identity.Accounts, what string, want identity.AccountRecord) {
	t.Helper()
	logins := want.Logins
	want.Logins = nil
	got, err := s.LoadAccount(t.Context(), want.ID)
	must(t, what+": LoadAccount", err)
	same(t, what, got, want)
	got, err = s.LoadAccountOf(t.Context(), want.Party)
	must(t, what+": LoadAccountOf", err)
	same(t, what+", of its party", got, want)
	for _, keys := range findable(logins) {
		got, err = s.FindAccount(t.Context(), keys)
		must(t, what+": FindAccount", err)
		same(t, what+", found by a login", got, want)
	}
}

func noAccount(t *testing.T, s identity.Accounts, what string, keys ...signing.Lookup) {
	t.Helper()
	_, err := s.FindAccount(t.Context(), keys)
	is(t, what, err, identity.ErrNotFound)
}

func accountsRoundTrip(t *testing.T, s identity.Accounts) {
	a := newAccount()
	a.Revision, a.Disabled, a.Created, a.Updated = 9, true, finer, finer
	a.Logins = append(a.Logins, a.Logins[0]) // one twice
	a = createAccount(t, s, a)
	a.Created, a.Updated = kept, kept
	sameAccount(t, s, "an account", a)
	bare := identity.AccountRecord{ID: newText(), Party: newText(), Body: []byte{}}
	sameAccount(t, s, "one without logins", createAccount(t, s, bare))
	bare = identity.AccountRecord{ID: newText(), Party: newText()}
	sameAccount(t, s, "one without a body", createAccount(t, s, bare))

	_, err := s.LoadAccount(t.Context(), newText())
	is(t, "an unknown ID", err, identity.ErrNotFound)
	_, err = s.LoadAccountOf(t.Context(), newText())
	is(t, "an unknown party", err, identity.ErrNotFound)
	noAccount(t, s, "an unknown login", newKey(), newKeyOf(2))
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
		is(t, name, s.CreateAccount(t.Context(), twin), identity.ErrExists)
		noAccount(t, s, name+": FindAccount after that", free...)
		if twin.ID != a.ID {
			_, err := s.LoadAccount(t.Context(), twin.ID)
			is(t, name+": LoadAccount after that", err, identity.ErrNotFound)
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
	a.Body, a.Disabled, a.Updated = nil, true, finer
	must(t, "UpdateAccount", s.UpdateAccount(ctx, a))
	a.Revision, a.Updated = 2, kept
	sameAccount(t, s, "an updated account", a)
	for _, revision := range []int64{0, 1, 3} {
		wrong := a
		wrong.Revision, wrong.Body, wrong.Logins = revision, []byte("wrong"), []signing.Lookup{newKey()}
		is(t, fmt.Sprint("UpdateAccount of revision ", revision), s.UpdateAccount(ctx, wrong), identity.ErrConflict)
		noAccount(t, s, "its logins", wrong.Logins...)
	}
	unknown := newAccount()
	unknown.Revision = 1
	is(t, "UpdateAccount of an unknown one", s.UpdateAccount(ctx, unknown), identity.ErrConflict)
	noAccount(t, s, "its logins", unknown.Logins...)

	moved := a
	moved.Party, moved.Created = newText(), at(77)
	must(t, "UpdateAccount", s.UpdateAccount(ctx, moved))
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
	a.Logins = append(slices.Clone(a.Logins[2:]), newKey(), newKeyOf(2))
	must(t, "UpdateAccount", s.UpdateAccount(ctx, a))
	a.Revision = 2
	sameAccount(t, s, "with other logins", a)
	noAccount(t, s, "the logins before", former...)

	thief := a
	thief.Logins = append(slices.Clone(a.Logins), newKey(), other.Logins[3])
	is(t, "a login that leads to another", s.UpdateAccount(ctx, thief), identity.ErrExists)
	noAccount(t, s, "the login beside it", thief.Logins[4])
	sameAccount(t, s, "the account after that", a)
	sameAccount(t, s, "the other one", other)

	other.Logins = former
	must(t, "logins that are free again", s.UpdateAccount(ctx, other))
	other.Revision = 2
	sameAccount(t, s, "with logins that were another's", other)
	a.Logins = nil
	must(t, "no logins at all", s.UpdateAccount(ctx, a))
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
		as := make([]identity.AccountRecord, Writers)
		for i := range as {
			as[i] = newAccount()
		}
		prepare(as)
		errs := race(Writers, func(i int) error { return s.CreateAccount(t.Context(), as[i]) })
		winner := oneWins(t, name, errs, identity.ErrExists)
		a := as[winner]
		a.Revision = 1
		sameAccount(t, s, "the winner", a)
		for i, loser := range as {
			if i != winner {
				_, err := s.LoadAccount(t.Context(), loser.ID)
				is(t, "a loser", err, identity.ErrNotFound)
			}
		}
		errs = race(Writers, func(int) error { return s.UpdateAccount(t.Context(), a) })
		oneWins(t, "an update", errs, identity.ErrConflict)
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
		got := paged(t, size, func(last *identity.AccountRecord) ([]identity.AccountRecord, error) {
			after := ""
			if last != nil {
				after = last.ID
			}
			return s.ListAccounts(t.Context(), after, size)
		})
		same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	none, err := s.ListAccounts(t.Context(), "", 0)
	must(t, "ListAccounts", err)
	same(t, "accounts up to limit 0", len(none), 0)
}
