package license

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"yizheng.internal/license/credential"
	"yizheng.internal/signing"
)

// ListLoss is a status list that is not as this node saw it, or has entries that were
// not written here.
type ListLoss struct {
	List         int64
	Seen, Stored int64 // its revision, as it was seen and as it is
	// Revived are the entries that had ended or were superseded, and are so no longer;
	// Behind those that were put back to an earlier state otherwise, such as suspended
	// ones that are valid again; Forged those whose authenticators don't fit, or that have
	// none and are not valid; Changed others that changed without the revision.
	Revived, Behind, Forged, Changed []int
	Gone                             bool // there is no such list any more
	Altered                          bool // what this node kept of it was altered: nothing can be said of the past
}

// lost reports whether there is anything that isn't as it was.
func (d *ListLoss) lost() bool {
	return d.Gone || d.Altered || d.Stored < d.Seen || len(d.entries()) > 0
}

// entries are all that are not as they should be.
func (d *ListLoss) entries() []int { return slices.Concat(d.Revived, d.Behind, d.Forged, d.Changed) }

// why says in short why a list is refused, "" if it isn't.
func (d *ListLoss) why() string {
	switch {
	case d.Stored < d.Seen:
		return fmt.Sprintf("its revision is %d, and was %d: it was put back", d.Stored, d.Seen)
	case len(d.Forged) > 0:
		return fmt.Sprintf("%d of its entries don't have the authenticators that they need: they were not written here", len(d.Forged))
	case d.lost():
		return "an entry that had ended, was superseded or was suspended is as it was before, or changed without its revision"
	}
	return ""
}

// String says what differs.
func (d ListLoss) String() string { return strings.Join(d.Lines(), "; ") }

// Lines say what differs, one for each kind of it.
func (d ListLoss) Lines() (lines []string) {
	switch {
	case d.Altered:
		return []string{fmt.Sprintf("status list %d: what this node kept of it was altered, so that nothing can be compared", d.List)}
	case d.Gone:
		return []string{fmt.Sprintf("status list %d is gone: it was deleted", d.List)}
	case d.Stored < d.Seen:
		lines = append(lines, fmt.Sprintf("status list %d: its revision fell from %d to %d", d.List, d.Seen, d.Stored))
	}
	if n := len(d.Revived); n > 0 {
		lines = append(lines, fmt.Sprintf("status list %d: %d entries had ended or were superseded, and are so no longer: %s", d.List, n, numbers(d.Revived)))
	}
	if n := len(d.Behind); n > 0 {
		lines = append(lines, fmt.Sprintf("status list %d: %d entries were put back to an earlier state: %s", d.List, n, numbers(d.Behind)))
	}
	if n := len(d.Forged); n > 0 {
		lines = append(lines, fmt.Sprintf("status list %d: %d entries were not written here: %s", d.List, n, numbers(d.Forged)))
	}
	if n := len(d.Changed); n > 0 {
		lines = append(lines, fmt.Sprintf("status list %d: %d entries changed, and the list's revision did not: %s", d.List, n, numbers(d.Changed)))
	}
	return lines
}

func numbers(all []int) string {
	var b []byte
	for i, n := range all {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(b)
}

// equal reports whether two losses are the same.
func (d *ListLoss) equal(o *ListLoss) bool {
	return d.List == o.List && d.Seen == o.Seen && d.Stored == o.Stored && d.Gone == o.Gone && d.Altered == o.Altered &&
		slices.Equal(d.Revived, o.Revived) && slices.Equal(d.Behind, o.Behind) &&
		slices.Equal(d.Forged, o.Forged) && slices.Equal(d.Changed, o.Changed)
}

// errListChanged says that a list isn't as it was when its loss was shown.
var errListChanged = errors.New("it changed since it was looked at: look again")

// ListLosses compares all status lists with their entries' authenticators and with what
// this node remembers of them, and returns those that are not as they should be.
func (r *Registry) ListLosses(ctx context.Context) ([]ListLoss, error) {
	lists, err := r.c.Stores.StatusLists(ctx)
	if err != nil {
		return nil, err
	}
	remembered, err := r.rememberedLists()
	if err != nil {
		return nil, err
	}
	lists = append(lists, remembered...)
	slices.Sort(lists)
	var losses []ListLoss
	for _, n := range slices.Compact(lists) {
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

// rememberedLists are the lists that this node kept something of.
func (r *Registry) rememberedLists() (lists []int64, err error) {
	if r.c.Seen == nil {
		return nil, nil
	}
	names, err := r.c.Seen.AllRemembered(seenPrefix)
	for _, name := range names {
		if n, ok := seenNumber(name); ok {
			lists = append(lists, n)
		}
	}
	return lists, err
}

// listLoss compares one list, and returns it as it is now; nil if it is gone. A service
// may be writing meanwhile: what differs is read once more.
func (r *Registry) listLoss(ctx context.Context, n int64) (d ListLoss, now *seenList, err error) {
	for range 2 {
		var before *seenList
		altered := false
		if r.c.Seen != nil {
			before, err = remembered(r.c.Seen, n)
			altered = errors.Is(err, signing.ErrAltered)
		}
		if err != nil && !altered {
			return ListLoss{}, nil, err
		}
		d, now, err = r.compare(ctx, n, -1, before)
		if errors.Is(err, ErrNotFound) {
			d, now, err = ListLoss{List: n, Gone: before != nil}, nil, nil
			if before != nil {
				d.Seen = before.revision
			}
		}
		if d.Altered = altered; err != nil || !d.lost() {
			break
		}
	}
	return d, now, err
}

// AcceptLists takes status lists for what they are, once an operator has accepted what
// ListLosses found. First the entries that it names are set to what the records of their
// licenses say, as far as those are there. Others are remembered as before. It is an error, and
// nothing more is accepted, if a list is not as it was then.
func (r *Registry) AcceptLists(ctx context.Context, losses []ListLoss) error {
	for _, shown := range losses {
		if err := r.acceptList(ctx, &shown); err != nil {
			return fmt.Errorf("accepting status list %d: %w", shown.List, err)
		}
	}
	return nil
}

func (r *Registry) acceptList(ctx context.Context, shown *ListLoss) error {
	d, now, err := r.listLoss(ctx, shown.List)
	if err == nil && !d.equal(shown) {
		err = errListChanged
	}
	if err == nil && len(d.entries()) > 0 {
		if err = r.mendEntries(ctx, d); err == nil {
			_, now, err = r.listLoss(ctx, shown.List)
		}
	}
	switch {
	case err != nil || r.c.Seen == nil:
		return err
	case now == nil:
		return r.c.Seen.Forget(seenName(shown.List))
	}
	return r.c.Seen.Remember(seenName(shown.List), now.encode())
}

// mendEntries sets entries to what their licenses say. One that belongs to no license any
// more says that it ended, if it is not as if it never changed.
func (r *Registry) mendEntries(ctx context.Context, d ListLoss) error {
	owners, err := r.c.Stores.StatusOwners(ctx, d.List, d.entries())
	if err != nil {
		return err
	}
	owned := map[int]bool{}
	for _, o := range owners {
		to, err := r.due(ctx, o)
		if err == nil {
			err = r.c.Stores.MendStatus(ctx, o.Entry, to)
		}
		if err != nil {
			return err
		}
		owned[o.Entry.Index] = true
	}
	_, entries, err := r.c.Stores.LoadList(ctx, d.List, -1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if owned[e.Index] || !slices.Contains(d.Forged, e.Index) {
			continue
		}
		if err := r.c.Stores.MendStatus(ctx, e, StatusChange{List: d.List, Index: e.Index, Value: credential.StatusInvalid, Serial: e.Serial}); err != nil {
			return err
		}
	}
	return nil
}
