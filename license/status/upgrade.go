package status

import (
	"context"
	"errors"
	"fmt"

	"yizheng.internal/license/credential"
)

// entriesPage is how many entries are upgraded at once.
const entriesPage = 500

// Upgrade adds the authenticators to entries of status lists that an earlier version of the program set, if the
// entries are what their licenses say. The others get none, and are refused. Nothing notes that Upgrade was done,
// because an entry that fits its license's records may get an authenticator at any time.
func (l *Lists) Upgrade(ctx context.Context) error {
	given, left := 0, 0
	for at := (Version{}); ; {
		owners, err := l.store.PlainOwners(ctx, at, entriesPage)
		if err != nil {
			return err
		}
		for _, o := range owners {
			at = o.Version
			to, err := l.due(ctx, o)
			switch {
			case unreadable(err) || errors.Is(err, ErrNotFound) || err == nil && to.Value != o.Entry.Value:
				left++
				continue
			case err == nil:
				err = l.store.MendStatus(ctx, o.Entry, to)
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
	if err := l.upgradeResumed(ctx); err != nil {
		return err
	}
	if given+left > 0 {
		l.c.Log.Warn("entries of status lists that an earlier version set have their authenticators now; those that are not what their licenses say are refused",
			"given", given, "refused", left)
	}
	return nil
}

// upgradeResumed gives authenticators to entries that this node saw suspended before entries had serials, and
// that an earlier version of the program set back to valid since.
func (l *Lists) upgradeResumed(ctx context.Context) error {
	lists, err := l.rememberedLists()
	if err != nil {
		return err
	}
	for _, n := range lists {
		before, err := remembered(l.c.Memory, n)
		if err != nil || before == nil {
			continue // a comparison reports it
		}
		var resumed []int
		for index := range before.changed {
			if before.values.Value(index) != credential.StatusSuspended || before.serials[index] != 0 {
				continue
			}
			if e, err := l.store.LoadStatus(ctx, n, index); err == nil && e.unchanged() {
				resumed = append(resumed, index)
			}
		}
		if len(resumed) == 0 {
			continue
		}
		owners, err := l.store.StatusOwners(ctx, n, resumed)
		if err != nil {
			return err
		}
		for _, o := range owners {
			to, err := l.due(ctx, o)
			if err == nil && to.Value == credential.StatusValid && o.Entry.unchanged() {
				err = l.store.MendStatus(ctx, o.Entry, to)
			}
			if err != nil && !unreadable(err) && !errors.Is(err, ErrNotFound) {
				return fmt.Errorf("giving entries of status lists their authenticators: %w", err)
			}
		}
	}
	return nil
}
