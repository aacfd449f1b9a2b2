package status

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

// Loss is a status list that is not as this node saw it, or has entries that were
// not written here.
type Loss struct {
	List         int64
	Seen, Stored int64 // its revision, as it was seen and as it is
	// Revived are entries that had ended or were superseded, and no longer are. Behind are other entries that
	// were put back to an earlier state, such as suspended ones that are valid again. Forged are entries whose
	// authenticators don't fit, or that have none and are not valid. Changed are other entries that changed
	// although the list's revision did not.
	Revived, Behind, Forged, Changed []int
	Gone                             bool // there is no such list any more
	Altered                          bool // what this node remembered of it was altered, so nothing can be compared
}

// lost reports whether anything is not as it should be.
func (d *Loss) lost() bool {
	return d.Gone || d.Altered || d.Stored < d.Seen || len(d.entries()) > 0
}

// entries returns all entries that are not as they should be.
func (d *Loss) entries() []int { return slices.Concat(d.Revived, d.Behind, d.Forged, d.Changed) }

// why says in short why a list is refused, "" if it isn't.
func (d *Loss) why() string {
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
func (d Loss) String() string { return strings.Join(d.Lines(), "; ") }

// Lines says what differs, one line for each kind of difference.
func (d Loss) Lines() (lines []string) {
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
func (d *Loss) equal(o *Loss) bool {
	return d.List == o.List && d.Seen == o.Seen && d.Stored == o.Stored && d.Gone == o.Gone && d.Altered == o.Altered &&
		slices.Equal(d.Revived, o.Revived) && slices.Equal(d.Behind, o.Behind) &&
		slices.Equal(d.Forged, o.Forged) && slices.Equal(d.Changed, o.Changed)
}

// errListChanged says that a list has changed since its loss was shown.
var errListChanged = errors.New("it changed since it was looked at: look again")

// Losses compares all status lists with their entries' authenticators and with what
// this node remembers of them, and returns those that are not as they should be.
func (l *Lists) Losses(ctx context.Context) ([]Loss, error) {
	lists, err := l.store.StatusLists(ctx)
	if err != nil {
		return nil, err
	}
	remembered, err := l.rememberedLists()
	if err != nil {
		return nil, err
	}
	lists = append(lists, remembered...)
	slices.Sort(lists)
	var losses []Loss
	for _, n := range slices.Compact(lists) {
		d, _, err := l.lossOf(ctx, n)
		if err != nil {
			return nil, err
		}
		if d.lost() {
			losses = append(losses, d)
		}
	}
	return losses, nil
}

// rememberedLists returns the lists of which this node remembers something.
func (l *Lists) rememberedLists() (lists []int64, err error) {
	if l.c.Memory == nil {
		return nil, nil
	}
	names, err := l.c.Memory.AllRemembered(seenPrefix)
	for _, name := range names {
		if n, ok := seenNumber(name); ok {
			lists = append(lists, n)
		}
	}
	return lists, err
}

// lossOf compares one list, and returns it as it is now, or nil if it is gone. A service may be writing
// meanwhile, so a list that differs is read once more.
func (l *Lists) lossOf(ctx context.Context, n int64) (d Loss, now *seenList, err error) {
	for range 2 {
		var before *seenList
		altered := false
		if l.c.Memory != nil {
			before, err = remembered(l.c.Memory, n)
			altered = errors.Is(err, signing.ErrAltered)
		}
		if err != nil && !altered {
			return Loss{}, nil, err
		}
		d, now, err = l.compare(ctx, n, -1, before)
		if errors.Is(err, ErrNotFound) {
			d, now, err = Loss{List: n, Gone: before != nil}, nil, nil
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

// Accept accepts status lists as they are, after an operator has accepted what Losses found. First it sets the
// entries that the losses name to what the records of their licenses say, as far as there are such records. Other
// lists are remembered as before. If a list has changed since Losses, Accept returns an error, and accepts nothing
// more.
func (l *Lists) Accept(ctx context.Context, losses []Loss) error {
	for _, shown := range losses {
		if err := l.accept(ctx, &shown); err != nil {
			return fmt.Errorf("accepting status list %d: %w", shown.List, err)
		}
	}
	return nil
}

func (l *Lists) accept(ctx context.Context, shown *Loss) error {
	d, now, err := l.lossOf(ctx, shown.List)
	if err == nil && !d.equal(shown) {
		err = errListChanged
	}
	if err == nil && len(d.entries()) > 0 {
		if err = l.mendEntries(ctx, d); err == nil {
			_, now, err = l.lossOf(ctx, shown.List)
		}
	}
	switch {
	case err != nil || l.c.Memory == nil:
		return err
	case now == nil:
		return l.c.Memory.Forget(seenName(shown.List))
	}
	return l.c.Memory.Remember(seenName(shown.List), now.encode())
}

// mendEntries sets entries to what their licenses say. A forged entry that belongs to no license any more is set
// to ended.
func (l *Lists) mendEntries(ctx context.Context, d Loss) error {
	owners, err := l.store.StatusOwners(ctx, d.List, d.entries())
	if err != nil {
		return err
	}
	owned := map[int]bool{}
	for _, o := range owners {
		to, err := l.due(ctx, o)
		if err == nil {
			err = l.store.MendStatus(ctx, o.Entry, to)
		}
		if err != nil {
			return err
		}
		owned[o.Entry.Index] = true
	}
	_, entries, err := l.store.LoadList(ctx, d.List, -1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if owned[e.Index] || !slices.Contains(d.Forged, e.Index) {
			continue
		}
		if err := l.store.MendStatus(ctx, e, Change{List: d.List, Index: e.Index, Value: credential.StatusInvalid, Serial: e.Serial}); err != nil {
			return err
		}
	}
	return nil
}
