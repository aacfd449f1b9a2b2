package license

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"yizheng.internal/signing"
)

// ListLosses compares all status lists that this node remembers with the database, and
// returns those that are not as it saw them.
func (r *Registry) ListLosses(ctx context.Context) ([]ListLoss, error) {
	if r.c.Seen == nil {
		return nil, nil
	}
	names, err := r.c.Seen.AllRemembered(seenPrefix)
	if err != nil {
		return nil, err
	}
	var lists []int64
	for _, name := range names {
		if n, err := strconv.ParseInt(strings.TrimPrefix(name, seenPrefix), 10, 64); err == nil && seenName(n) == name {
			lists = append(lists, n)
		}
	}
	slices.Sort(lists)
	var losses []ListLoss
	for _, n := range lists {
		d, _, err := r.listLoss(ctx, n)
		if err != nil {
			return nil, err
		}
		if d.lost() {
			losses = append(losses, d)
		}
	}
	return losses, nil
}

// listLoss compares one list, and returns it as it is now; nil if it is gone.
func (r *Registry) listLoss(ctx context.Context, n int64) (ListLoss, *seenList, error) {
	var now *seenList
	revision, entries, err := r.c.Stores.LoadList(ctx, n, -1)
	switch {
	case err == nil:
		now = pack(revision, entries)
	case !errors.Is(err, ErrNotFound):
		return ListLoss{}, nil, fmt.Errorf("loading status list %d: %w", n, err)
	}
	before, err := remembered(r.c.Seen, n)
	switch {
	case errors.Is(err, signing.ErrAltered):
		return ListLoss{List: n, Stored: revision, Altered: true}, now, nil
	case err != nil:
		return ListLoss{}, nil, err
	case before == nil:
		return ListLoss{List: n, Stored: revision}, now, nil
	case now == nil:
		return ListLoss{List: n, Seen: before.revision, Gone: true}, nil, nil
	}
	return before.against(n, now), now, nil
}

// AcceptLists takes status lists for what they are, once an operator has accepted what
// ListLosses found. Others are remembered as before. It is an error, and nothing more
// is accepted, if a list is not as it was then.
func (r *Registry) AcceptLists(ctx context.Context, losses []ListLoss) error {
	for _, shown := range losses {
		d, now, err := r.listLoss(ctx, shown.List)
		if err == nil && !d.equal(&shown) {
			err = errListChanged
		}
		if err == nil && now == nil {
			err = r.c.Seen.Forget(seenName(shown.List))
		} else if err == nil {
			err = r.c.Seen.Remember(seenName(shown.List), now.encode())
		}
		if err != nil {
			return fmt.Errorf("accepting status list %d: %w", shown.List, err)
		}
	}
	return nil
}
