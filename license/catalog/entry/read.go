package entry

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// A page of the catalog ends before its limit once its definitions have pageBytes bytes. They are read
// readAtATime at a time.
const (
	pageBytes   = 1 << 20
	readAtATime = 8
)

// Heads returns an entry's newest versions, none if there is no such entry.
func (c *Entries[C, D, V]) Heads(ctx context.Context, code C) (Heads[V], error) {
	return c.versions.of(ctx, code)
}

// At returns one version of an entry, or nil if there is none. The version is shared: don't change it.
func (c *Entries[C, D, V]) At(ctx context.Context, code C, version int) (*V, error) {
	return c.versions.at(ctx, code, version)
}

// Version returns a version of an entry. 0 is the published version; if there is none, the one that was published
// last; if none was, the draft.
func (c *Entries[C, D, V]) Version(ctx context.Context, code C, version int) (none V, err error) {
	if version != 0 {
		v, err := c.versions.at(ctx, code, version)
		if err == nil && v == nil {
			err = c.kind.Unknown()
		}
		if err != nil {
			return none, err
		}
		return *v, nil
	}
	h, err := c.versions.of(ctx, code)
	if err != nil {
		return none, err
	}
	for _, v := range []*V{h.LastPublished(), h.Newest()} {
		if v != nil {
			return *v, nil
		}
	}
	return none, c.kind.Unknown()
}

// List lists the newest version of each entry with a code greater than after, drafts
// among them.
func (c *Entries[C, D, V]) List(ctx context.Context, after C, limit int) ([]V, error) {
	records, err := c.store.ListEntries(ctx, c.kind.Kind, Drafts{All: true}, string(after), limit)
	if err != nil {
		return nil, fmt.Errorf("listing %ss: %w", c.kind.Called, err)
	}
	return c.kind.openAll(records)
}

// Read returns a version of an entry to a client, and records the reading. Version 0 is the published version, or
// else the newest that the client may see. Everybody may see all versions that were published. Only a caller with
// [audit.Actor.Drafts] may see drafts, and only its own and those that it may take over; for others these don't
// exist.
func (c *Entries[C, D, V]) Read(ctx context.Context, a audit.Actor, code C, version int) (none V, err error) {
	defer audit.Refusal(ctx, c.journal, &err, a, c.kind.Read, "")
	v, err := c.seen(ctx, a, code, version)
	if err != nil {
		return none, err
	}
	return *v, c.reading(ctx, a, c.kind.named(code, *c.kind.Life(v).Version))
}

func (c *Entries[C, D, V]) seen(ctx context.Context, a audit.Actor, code C, version int) (v *V, err error) {
	var otherwise *V
	if version != 0 {
		v, err = c.versions.at(ctx, code, version)
	} else {
		var h Heads[V]
		h, err = c.versions.of(ctx, code)
		if v = h.Published(); v == nil {
			v, otherwise = h.Newest(), h.LastPublished()
		}
	}
	if err == nil && v != nil && *c.kind.Life(v).State == Draft {
		var sees bool
		if sees, err = c.delegations.sees(ctx, a, string(code), *c.kind.Life(v).Owner); !sees {
			v = otherwise
		}
	}
	if err == nil && v == nil {
		err = c.kind.Unknown()
	}
	return v, err
}

// ReadPage lists entries to a client, and records it. For each entry with a code greater than after, it returns
// the newest version that was published, or the draft if it is the client's own and the client may see drafts.
// more says whether there may be others after these.
func (c *Entries[C, D, V]) ReadPage(ctx context.Context, a audit.Actor, after C, limit int) (_ []V, more bool, err error) {
	records, more, err := c.page(ctx, draftsOf(a), string(after), limit)
	if err != nil {
		return nil, false, fmt.Errorf("listing %ss: %w", c.kind.Called, err)
	}
	vs, err := c.kind.openAll(records)
	if err != nil {
		return nil, false, err
	}
	return vs, more, c.reading(ctx, a, map[string]string{"found": strconv.Itoa(len(vs))})
}

// reading records an event of a reading. Repeated readings are merged.
func (c *Entries[C, D, V]) reading(ctx context.Context, a audit.Actor, detail map[string]string) error {
	return c.journal.Repeating(ctx, a.Did(c.kind.Read, "", 0, journal.ResultOK, detail))
}

// page reads up to limit records, or fewer if these have many bytes. more says whether there may be others after
// those.
func (c *Entries[C, D, V]) page(ctx context.Context, d Drafts, after string, limit int) (page []Record, more bool, err error) {
	for bytes := 0; len(page) < limit && bytes < pageBytes; {
		n := min(limit-len(page), readAtATime)
		some, err := c.store.ListEntries(ctx, c.kind.Kind, d, after, n)
		if err != nil {
			return nil, false, err
		}
		page = append(page, some...)
		if len(some) < n {
			return page, false, nil
		}
		for i := range some {
			bytes += len(some[i].Body)
		}
		after = some[n-1].Code
	}
	return page, true, nil
}

// draftsOf returns which drafts a list includes for the caller.
func draftsOf(a audit.Actor) Drafts {
	if !a.Drafts {
		return Drafts{}
	}
	return Drafts{Of: a.Participant}
}

// sees reports whether the caller may see a draft of an owner: its own, or one that it
// may take over.
func (c *Delegations) sees(ctx context.Context, a audit.Actor, code, owner string) (bool, error) {
	if !a.Drafts || owner == a.Participant {
		return a.Drafts, nil
	}
	err := c.mayWrite(ctx, a, code, owner, true, errCodePrefix) // which refusal it is doesn't matter
	if _, ok := errors.AsType[*refusal.Error](err); ok {
		return false, nil
	}
	return err == nil, err
}
