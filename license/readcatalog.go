package license

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
)

// A page of the catalog ends before its limit where its definitions have so many bytes;
// they are read a few at a time.
const (
	pageBytes   = 1 << 20
	readAtATime = 8
)

// ReadType returns a version of a type for a client, 0 for the published one, or else the
// newest, and records the reading. All versions that were published are there for
// everybody, drafts for [Actor.Drafts]: to others it is as if there were none.
func (r *Registry) ReadType(ctx context.Context, a Actor, code credential.TypeCode, version int) (_ Type, err error) {
	defer r.audit(ctx, &err, a, ActionTypeRead, "", 0)
	t, err := r.seenType(ctx, a, code, version)
	if err != nil {
		return Type{}, err
	}
	return *t, r.recordRepeating(ctx, a, ActionTypeRead, "", 0, "ok", map[string]string{"type": string(code), "type_version": strconv.Itoa(t.Version)})
}

func (r *Registry) seenType(ctx context.Context, a Actor, code credential.TypeCode, version int) (t *Type, err error) {
	var otherwise *Type
	if version != 0 {
		t, err = r.types.version(ctx, code, version)
	} else {
		var h heads
		h, err = r.types.of(ctx, code)
		if t = h.published(); t == nil {
			t, otherwise = h.newest(), h.mandating()
		}
	}
	if err == nil && t != nil && t.State == TypeDraft {
		var sees bool
		if sees, err = r.sees(ctx, a, string(code), t.Owner); !sees {
			t = otherwise
		}
	}
	if err == nil && t == nil {
		err = errTypeUnknown()
	}
	return t, err
}

// ReadTypes lists for a client, of each type with a code greater than after, the newest
// version that is there for it, and records it. More says whether there may be others.
func (r *Registry) ReadTypes(ctx context.Context, a Actor, after credential.TypeCode, limit int) (_ []Type, more bool, err error) {
	records, more, err := pageOf(limit, func(last *TypeRecord, n int) ([]TypeRecord, error) {
		if last != nil {
			after = last.Code
		}
		return r.c.Stores.ListTypes(ctx, a.drafts(), after, n)
	}, func(t TypeRecord) int { return len(t.Body) })
	if err != nil {
		return nil, false, fmt.Errorf("listing types: %w", err)
	}
	ts, err := readTypes(records)
	if err != nil {
		return nil, false, err
	}
	return ts, more, r.recordRepeating(ctx, a, ActionTypeRead, "", 0, "ok", map[string]string{"found": strconv.Itoa(len(ts))})
}

// ReadItem is to items what ReadType is to types.
func (r *Registry) ReadItem(ctx context.Context, a Actor, code ItemCode, version int) (_ ServiceItem, err error) {
	defer r.audit(ctx, &err, a, ActionItemRead, "", 0)
	i, err := r.seenItem(ctx, a, code, version)
	if err != nil {
		return ServiceItem{}, err
	}
	return *i, r.recordRepeating(ctx, a, ActionItemRead, "", 0, "ok", map[string]string{"item": string(code), "item_version": strconv.Itoa(i.Version)})
}

func (r *Registry) seenItem(ctx context.Context, a Actor, code ItemCode, version int) (i *ServiceItem, err error) {
	var otherwise *ServiceItem
	if version != 0 {
		i, err = r.itemVersion(ctx, code, version)
	} else {
		var h itemHeads
		h, err = r.items(ctx, code)
		if i = h.published(); i == nil {
			i, otherwise = h.newest(), h.agreed()
		}
	}
	if err == nil && i != nil && i.State == ItemDraft {
		var sees bool
		if sees, err = r.sees(ctx, a, string(code), i.Owner); !sees {
			i = otherwise
		}
	}
	if err == nil && i == nil {
		err = errItemUnknown()
	}
	return i, err
}

// ReadItems is to items what ReadTypes is to types.
func (r *Registry) ReadItems(ctx context.Context, a Actor, after ItemCode, limit int) (_ []ServiceItem, more bool, err error) {
	records, more, err := pageOf(limit, func(last *ItemRecord, n int) ([]ItemRecord, error) {
		if last != nil {
			after = last.Code
		}
		return r.c.Stores.ListItems(ctx, a.drafts(), after, n)
	}, func(i ItemRecord) int { return len(i.Body) })
	if err != nil {
		return nil, false, fmt.Errorf("listing service items: %w", err)
	}
	is, err := openItems(records)
	if err != nil {
		return nil, false, err
	}
	return is, more, r.recordRepeating(ctx, a, ActionItemRead, "", 0, "ok", map[string]string{"found": strconv.Itoa(len(is))})
}

// drafts are those that a list has for the caller.
func (a Actor) drafts() Drafts {
	if !a.Drafts {
		return Drafts{}
	}
	return Drafts{Of: a.Participant}
}

// sees reports whether the caller may see a draft of an owner: its own, or one that it
// may take over.
func (r *Registry) sees(ctx context.Context, a Actor, code, owner string) (bool, error) {
	if !a.Drafts || owner == a.Participant {
		return a.Drafts, nil
	}
	err := r.mayWrite(ctx, a, code, owner, true, errTypeOwner)
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
