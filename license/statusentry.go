package license

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"yizheng.internal/license/credential"
	"yizheng.internal/signing"
)

// An entry of a status list is set together with a change of a license: its serial is
// the license's revision then, so that of two states of an entry the later one has the
// greater serial. An entry that never changed says nothing but valid, and has none.

func entryID(list int64, index int) string {
	return strconv.FormatInt(list, 10) + "/" + strconv.Itoa(index)
}

func (e *StatusEntry) facts(list int64) *signing.Facts {
	return signing.NewFacts("status_entries", entryID(list, e.Index), 0).Int(int64(e.Value), e.Serial)
}

// unchanged reports whether an entry is as one that never changed.
func (e *StatusEntry) unchanged() bool { return e.Value == credential.StatusValid && e.Auth == nil }

// stampStatus gives changes of status lists their serials and authenticators.
func stampStatus(a *signing.Authenticator, changes []StatusChange, serial int64) ([]StatusChange, error) {
	stamped := make([]StatusChange, len(changes))
	for i, c := range changes {
		e := StatusEntry{Index: c.Index, Value: c.Value, Serial: serial}
		auth, _, err := a.Stamp(e.facts(c.List))
		if err != nil {
			return nil, err
		}
		c.Serial, c.Auth = serial, auth
		stamped[i] = c
	}
	return stamped, nil
}

// unreserved refuses an entry of a stored version that somebody deleted: the registry
// reserved it before it signed.
func unreserved(auth *signing.Authenticator, err error) error {
	if gone, ok := errors.AsType[*UnreservedError](err); ok {
		return auth.Refuse("status_entries", entryID(gone.List, gone.Index), "it is gone: it was deleted")
	}
	return err
}

// LoadStatus implements [StatusStore].
func (s *authenticStores) LoadStatus(ctx context.Context, list int64, index int) (StatusEntry, error) {
	e, err := s.Stores.LoadStatus(ctx, list, index)
	if err != nil || e.unchanged() {
		return StatusEntry{Index: e.Index}, err
	}
	return e, s.auth.VerifyAlone(e.facts(list), e.Auth)
}

// MendStatus implements [StatusMendStore].
func (s *authenticStores) MendStatus(ctx context.Context, was StatusEntry, to StatusChange) error {
	stamped, err := stampStatus(s.auth, []StatusChange{to}, to.Serial)
	if err != nil {
		return err
	}
	return s.Stores.MendStatus(ctx, was, stamped[0])
}

// statusOf is what an entry says of a version in a state.
func statusOf(s State) (credential.StatusValue, error) {
	switch s {
	case Active:
		return credential.StatusValid, nil
	case Suspended:
		return credential.StatusSuspended, nil
	case Superseded:
		return credential.StatusSuperseded, nil
	case Ended:
		return credential.StatusInvalid, nil
	}
	return 0, fmt.Errorf("a version that is %s has no status", s)
}

// due returns what the entry of a version is to be, by the records of its license: they
// carry authenticators, and a register.
func (r *Registry) due(ctx context.Context, o StatusOwner) (StatusChange, error) {
	rec, v, err := r.c.Stores.Load(ctx, o.License, o.Version)
	if err != nil {
		return StatusChange{}, err
	}
	value, err := statusOf(v.State)
	if v.StatusList != o.List || v.StatusIndex != o.Entry.Index {
		err = ErrNotFound // it was altered since it was found
	}
	return StatusChange{List: o.List, Index: o.Entry.Index, Value: value, Serial: rec.Revision}, err
}

// entriesPage is how many entries are upgraded at once.
const entriesPage = 500

// UpgradeEntries gives entries of status lists that an earlier version set their
// authenticators, where they are what their licenses say. The others stay without, and
// are refused. It needs no note that it was done: what fits a license's records may get
// an authenticator at any time.
func (r *Registry) UpgradeEntries(ctx context.Context) error {
	given, left := 0, 0
	for at := (Located{}); ; {
		owners, err := r.c.Stores.PlainOwners(ctx, at, entriesPage)
		if err != nil {
			return err
		}
		for _, o := range owners {
			at = o.Located
			to, err := r.due(ctx, o)
			switch {
			case unreadable(err) || errors.Is(err, ErrNotFound) || err == nil && to.Value != o.Entry.Value:
				left++
				continue
			case err == nil:
				err = r.c.Stores.MendStatus(ctx, o.Entry, to)
			}
			if err != nil {
				return fmt.Errorf("giving entries of status lists their authenticators: %w", err)
			}
			given++
		}
		if len(owners) < entriesPage {
			break
		}
	}
	if err := r.upgradeResumed(ctx); err != nil {
		return err
	}
	if given+left > 0 {
		r.c.Log.Warn("entries of status lists that an earlier version set have their authenticators now; those that are not what their licenses say are refused",
			"given", given, "refused", left)
	}
	return nil
}

// upgradeResumed gives authenticators to entries that this node saw suspended, before
// they had serials, and that an earlier version set back to valid since.
func (r *Registry) upgradeResumed(ctx context.Context) error {
	lists, err := r.rememberedLists()
	if err != nil {
		return err
	}
	for _, n := range lists {
		before, err := remembered(r.c.Seen, n)
		if err != nil || before == nil {
			continue // a comparison tells of it
		}
		var resumed []int
		for index := range before.changed {
			if before.values.Value(index) != credential.StatusSuspended || before.serials[index] != 0 {
				continue
			}
			if e, err := r.c.Stores.LoadStatus(ctx, n, index); err == nil && e.unchanged() {
				resumed = append(resumed, index)
			}
		}
		if len(resumed) == 0 {
			continue
		}
		owners, err := r.c.Stores.StatusOwners(ctx, n, resumed)
		if err != nil {
			return err
		}
		for _, o := range owners {
			to, err := r.due(ctx, o)
			if err == nil && to.Value == credential.StatusValid && o.Entry.unchanged() {
				err = r.c.Stores.MendStatus(ctx, o.Entry, to)
			}
			if err != nil && !unreadable(err) && !errors.Is(err, ErrNotFound) {
				return fmt.Errorf("giving entries of status lists their authenticators: %w", err)
			}
		}
	}
	return nil
}
