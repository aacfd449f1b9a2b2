package catalog

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// A page of the catalog ends before its limit where its definitions have so many bytes;
// they are read a few at a time.
const (
	pageBytes   = 1 << 20
	readAtATime = 8
)

// Read returns a version of a type for a client, 0 for the published one, or else the
// newest, and records the reading. All versions that were published are there for
// everybody, drafts for [audit.Actor.Drafts]: to others it is as if there were none.
func (c *Types) Read(ctx context.Context, a audit.Actor, code credential.TypeCode, version int) (_ Type, err error) {
	defer c.journal.Audit(ctx, &err, a, journal.ActionTypeRead)
	t, err := c.seen(ctx, a, code, version)
	if err != nil {
		return Type{}, err
	}
	return *t, c.journal.Reading(ctx, a, journal.ActionTypeRead, map[string]string{"type": string(code), "type_version": strconv.Itoa(t.Version)})
}

func (c *Types) seen(ctx context.Context, a audit.Actor, code credential.TypeCode, version int) (t *Type, err error) {
	var otherwise *Type
	if version != 0 {
		t, err = c.cache.version(ctx, code, version)
	} else {
		var h Heads
		h, err = c.cache.of(ctx, code)
		if t = h.Published(); t == nil {
			t, otherwise = h.Newest(), h.Mandating()
		}
	}
	if err == nil && t != nil && t.State == TypeDraft {
		var sees bool
		if sees, err = c.delegations.sees(ctx, a, string(code), t.Owner); !sees {
			t = otherwise
		}
	}
	if err == nil && t == nil {
		err = errTypeUnknown()
	}
	return t, err
}

// ReadPage lists for a client, of each type with a code greater than after, the newest
// version that is there for it, and records it. More says whether there may be others.
func (c *Types) ReadPage(ctx context.Context, a audit.Actor, after credential.TypeCode, limit int) (_ []Type, more bool, err error) {
	records, more, err := pageOf(limit, func(last *TypeRecord, n int) ([]TypeRecord, error) {
		if last != nil {
			after = last.Code
		}
		return c.store.ListTypes(ctx, draftsOf(a), after, n)
	}, func(t TypeRecord) int { return len(t.Body) })
	if err != nil {
		return nil, false, fmt.Errorf("listing types: %w", err)
	}
	ts, err := readTypes(records)
	if err != nil {
		return nil, false, err
	}
	return ts, more, c.journal.Reading(ctx, a, journal.ActionTypeRead, map[string]string{"found": strconv.Itoa(len(ts))})
}

// Read is to items what [Types.Read] is to types.
func (c *Items) Read(ctx context.Context, a audit.Actor, code ItemCode, version int) (_ ServiceItem, err error) {
	defer c.journal.Audit(ctx, &err, a, journal.ActionItemRead)
	i, err := c.seen(ctx, a, code, version)
	if err != nil {
		return ServiceItem{}, err
	}
	return *i, c.journal.Reading(ctx, a, journal.ActionItemRead, map[string]string{"item": string(code), "item_version": strconv.Itoa(i.Version)})
}

func (c *Items) seen(ctx context.Context, a audit.Actor, code ItemCode, version int) (i *ServiceItem, err error) {
	var otherwise *ServiceItem
	if version != 0 {
		i, err = c.At(ctx, code, version)
	} else {
		var h ItemHeads
		h, err = c.Heads(ctx, code)
		if i = h.Published(); i == nil {
			i, otherwise = h.Newest(), h.Agreed()
		}
	}
	if err == nil && i != nil && i.State == ItemDraft {
		var sees bool
		if sees, err = c.delegations.sees(ctx, a, string(code), i.Owner); !sees {
			i = otherwise
		}
	}
	if err == nil && i == nil {
		err = errItemUnknown()
	}
	return i, err
}

// ReadPage is to items what [Types.ReadPage] is to types.
func (c *Items) ReadPage(ctx context.Context, a audit.Actor, after ItemCode, limit int) (_ []ServiceItem, more bool, err error) {
	records, more, err := pageOf(limit, func(last *ItemRecord, n int) ([]ItemRecord, error) {
		if last != nil {
			after = last.Code
		}
		return c.store.ListItems(ctx, draftsOf(a), after, n)
	}, func(i ItemRecord) int { return len(i.Body) })
	if err != nil {
		return nil, false, fmt.Errorf("listing service items: %w", err)
	}
	is, err := openItems(records)
	if err != nil {
		return nil, false, err
	}
	return is, more, c.journal.Reading(ctx, a, journal.ActionItemRead, map[string]string{"found": strconv.Itoa(len(is))})
}

// draftsOf returns the drafts that a list has for the caller.
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
	err := c.mayWrite(ctx, a, code, owner, true, errTypeOwner)
	if _, ok := errors.AsType[*refusal.Error](err); ok {
		return false, nil
	}
	return err == nil, err
}

// pageOf reads up to limit records, or fewer if these have many bytes. More says whether
// there may be others after those.
func pageOf[T any](limit int, next func(last *T, n int) ([]T, error), size func(T) int) (page []T, more bool, err error) {
	var last *T
	for bytes := 0; len(page) < limit && bytes < pageBytes; {
		n := min(limit-len(page), readAtATime)
		some, err := next(last, n)
		if err != nil {
			return nil, false, err
		}
		page = append(page, some...)
		if len(some) < n {
			return page, false, nil
		}
		for i := range some {
			bytes += size(some[i])
		}
		last = &some[n-1]
	}
	return page, true, nil
}
