package status

import (
	"context"
	"errors"
	"strconv"

	"yizheng.internal/license/credential"
	"yizheng.internal/signing"
)

// An entry of a status list is set together with a change of a license. Its serial is the license's revision
// after that change, so the later of two states of an entry has the greater serial. An entry that never changed
// can only say valid, and has no serial.

// authenticStores are stores whose entries carry authenticators, as those of the rest of
// the registry do.
type authenticStores struct {
	Stores
	auth *signing.Authenticator
}

// AuthenticStores returns stores that authenticate single entries. The entries of a whole list are not checked
// here: the list is compared with what was seen of it.
func AuthenticStores(s Stores, a *signing.Authenticator) Stores { return &authenticStores{s, a} }

func entryID(list int64, index int) string {
	return strconv.FormatInt(list, 10) + "/" + strconv.Itoa(index)
}

func (e *Entry) facts(list int64) *signing.Facts {
	return signing.NewFacts("status_entries", entryID(list, e.Index), 0).Int(int64(e.Value), e.Serial)
}

// unchanged reports whether an entry looks as if it never changed.
func (e *Entry) unchanged() bool { return e.Value == credential.StatusValid && e.Auth == nil }

// Stamp gives changes of status lists their serials and authenticators.
func Stamp(a *signing.Authenticator, changes []Change, serial int64) ([]Change, error) {
	stamped := make([]Change, len(changes))
	for i, c := range changes {
		e := Entry{Index: c.Index, Value: c.Value, Serial: serial}
		auth, _, err := a.Stamp(e.facts(c.List))
		if err != nil {
			return nil, err
		}
		c.Serial, c.Auth = serial, auth
		stamped[i] = c
	}
	return stamped, nil
}

// Unreserved refuses a missing entry of a stored version: the registry reserved it before it signed, so somebody
// deleted it. Other errors of a store come back as they are.
func Unreserved(auth *signing.Authenticator, err error) error {
	if gone, ok := errors.AsType[*UnreservedError](err); ok {
		return auth.Refuse("status_entries", entryID(gone.List, gone.Index), "it is gone: it was deleted")
	}
	return err
}

// LoadStatus implements [Store].
func (s *authenticStores) LoadStatus(ctx context.Context, list int64, index int) (Entry, error) {
	e, err := s.Stores.LoadStatus(ctx, list, index)
	if err != nil || e.unchanged() {
		return Entry{Index: e.Index}, err
	}
	return e, s.auth.VerifyAlone(e.facts(list), e.Auth)
}

// MendStatus implements [MendStore].
func (s *authenticStores) MendStatus(ctx context.Context, was Entry, to Change) error {
	stamped, err := Stamp(s.auth, []Change{to}, to.Serial)
	if err != nil {
		return err
	}
	return s.Stores.MendStatus(ctx, was, stamped[0])
}

// due returns what the entry of a version must be, by the records of its license, which carry authenticators and
// a register.
func (l *Lists) due(ctx context.Context, o Owner) (Change, error) {
	v, err := l.c.Standing(ctx, o.Version)
	if err != nil {
		return Change{}, err
	}
	if v.List != o.List || v.Index != o.Entry.Index {
		return Change{}, ErrNotFound // it was altered since it was found
	}
	return Change{List: o.List, Index: o.Entry.Index, Value: v.Value, Serial: v.Revision}, nil
}

// unreadable reports whether an error concerns a single record only: somebody altered the record, or its data key
// is gone. Such an error doesn't keep other records from being looked at.
func unreadable(err error) bool {
	return errors.Is(err, signing.ErrAltered) || errors.Is(err, signing.ErrSealed) || errors.Is(err, signing.ErrNoKey)
}
