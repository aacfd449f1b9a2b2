package license

import (
	"context"
	"errors"
	"fmt"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
)

// Lists returns the registry's status lists.
func (r *Registry) Lists() *status.Lists { return r.lists }

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

// standing returns what the records of a license say of a version, which carry
// authenticators, and a register; or [status.ErrNotFound].
func (r *Registry) standing(ctx context.Context, of status.Version) (status.Standing, error) {
	rec, v, err := r.c.Stores.Load(ctx, ID(of.License), of.Number)
	if errors.Is(err, ErrNotFound) {
		return status.Standing{}, status.ErrNotFound
	} else if err != nil {
		return status.Standing{}, err
	}
	s, err := v.standing()
	s.Revision = rec.Revision
	return s, err
}

// standing returns what a version's record says of its entry.
func (v *VersionRecord) standing() (status.Standing, error) {
	value, err := statusOf(v.State)
	return status.Standing{
		Version: status.Version{License: string(v.License), Number: v.Version},
		List:    v.StatusList, Index: v.StatusIndex, Value: value, State: string(v.State),
	}, err
}

// EntryCheck returns what compares versions with their entries of status lists, as
// [status.Lists.Comparison] does.
func (r *Registry) EntryCheck() func(context.Context, []VersionRecord) error {
	compare := r.lists.Comparison()
	return func(ctx context.Context, vs []VersionRecord) error {
		var all []status.Standing
		for i := range vs {
			if s, err := vs[i].standing(); err == nil { // a draft has no entry
				all = append(all, s)
			}
		}
		return compare(ctx, all)
	}
}

// save makes a change, and notes what it set in status lists. The entry of a version that
// was refused is free again; one of which nobody knows whether it was stored is not.
func (r *Registry) save(ctx context.Context, q SaveRequest) error {
	err := r.c.Stores.Save(ctx, q)
	switch {
	case err == nil:
		r.lists.Note(q.Status, q.Record.Revision+1)
	case q.Add != nil && nothingSaved(err):
		r.lists.Give(q.Add.slot())
	}
	return err
}

// nothingSaved reports whether an error of [Store.Save] is one of those that say that the
// change was refused.
func nothingSaved(err error) bool {
	return errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrIdentifierTaken) ||
		errors.Is(err, ErrNumberTaken) || errors.Is(err, ErrRequestTaken) || errors.Is(err, signing.ErrAltered)
}

func (v *VersionRecord) slot() status.Slot {
	return status.Slot{List: v.StatusList, Index: v.StatusIndex}
}
