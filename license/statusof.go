package license

import (
	"context"
	"fmt"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/status"
)

// statusOf returns the value that the status entry of a version in this state has.
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

// standing returns what a version's record says about the version's status entry.
func (v *VersionRecord) standing() (status.Standing, error) {
	value, err := statusOf(v.State)
	return status.Standing{
		Version: status.Version{License: string(v.License), Number: v.Version},
		List:    v.StatusList, Index: v.StatusIndex, Value: value, State: string(v.State),
	}, err
}

// EntryCheck returns a function that compares versions with their entries in status lists, as
// [status.Lists.Comparison] does.
func EntryCheck(lists *status.Lists) func(context.Context, []VersionRecord) error {
	compare := lists.Comparison()
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

// Slot returns the version's entry of a status list.
func (v *VersionRecord) Slot() status.Slot {
	return status.Slot{List: v.StatusList, Index: v.StatusIndex}
}
