package catalog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// Entries are the entries of one kind, which is defined by what [Types] and [Items] say of
// it. It is safe for concurrent use. Refusals that a caller may see are *[refusal.Error].
type Entries[C ~string, D, V any] struct {
	kind        *kind[C, D, V]
	versions    *versions[C, D, V]
	store       EntryStore
	delegations *Delegations
	journal     Journal
}

func newEntries[C ~string, D, V any](k kind[C, D, V], s EntryStore, d *Delegations, j Journal) *Entries[C, D, V] {
	return &Entries[C, D, V]{&k, newVersions(&k, s), s, d, j}
}

// Put writes the draft of an entry: its first version, or the one after the newest. Its
// code begins with the caller's own, or one that was delegated to it, and only the
// participant that defined an entry may change it, as long as that is so.
func (c *Entries[C, D, V]) Put(ctx context.Context, a audit.Actor, code C, d D) (v V, created bool, err error) {
	defer c.journal.Audit(ctx, &err, a, c.kind.put)
	if err := c.kind.code(code); err != nil {
		return v, false, err
	}
	if err := c.kind.check(ctx, &d); err != nil {
		return v, false, err
	}
	h, err := c.versions.read(ctx, code)
	if err != nil {
		return v, false, err
	}
	if err := c.delegations.mayWrite(ctx, a, string(code), h.owner(), h.LastPublished() == nil, c.kind.notOwner); err != nil {
		return v, false, err
	}
	draft := c.kind.draft(code, d)
	l := c.kind.life(&draft)
	*l.version, *l.state, *l.owner, *l.created = 1, Draft, a.Participant, time.Now().UTC()
	before := Use{}
	if newest := h.Newest(); newest != nil {
		was := c.kind.life(newest)
		*l.version = *was.version + 1
		if *was.state == Draft {
			*l.version, *l.revision, *l.created = *was.version, *was.revision, *was.created
			if before, err = useOf(*was.owner == a.Participant, newest); err != nil {
				return v, false, err
			}
		}
	}
	if *l.version > maxVersions {
		return v, false, c.kind.manyVersions()
	}
	if err := c.mayGrow(ctx, a, before, &draft); err != nil {
		return v, false, err
	}
	v, err = c.save(ctx, a, c.kind.put, code, draft)
	return v, err == nil && *l.version == 1 && *l.revision == 0, err
}

// Publish makes the draft the version that counts, and retires the one before it. The
// draft is checked again: it may have been written when less was refused, and what it
// names may have changed. Licenses and grants stay bound to their own version.
func (c *Entries[C, D, V]) Publish(ctx context.Context, a audit.Actor, code C) (v V, err error) {
	defer c.journal.Audit(ctx, &err, a, c.kind.publish)
	h, err := c.own(ctx, a, code, c.delegations.mayWrite)
	if err != nil {
		return v, err
	}
	draft := *h.Newest()
	l := c.kind.life(&draft)
	if *l.state != Draft {
		return v, c.kind.notDraft()
	}
	d := c.kind.definition(&draft)
	if err := c.kind.check(ctx, d); err != nil {
		return v, err
	}
	if c.kind.publishable != nil {
		if err := c.kind.publishable(d); err != nil {
			return v, err
		}
	}
	now := time.Now().UTC()
	var change []V
	if old := h.Published(); old != nil {
		change = append(change, c.retired(*old, now))
	}
	*l.state, *l.published = Published, now
	return c.save(ctx, a, c.kind.publish, code, append(change, draft)...)
}

// Retire ends the use of an entry; what was made by it stays as it is.
func (c *Entries[C, D, V]) Retire(ctx context.Context, a audit.Actor, code C) (v V, err error) {
	defer c.journal.Audit(ctx, &err, a, c.kind.retire)
	h, err := c.own(ctx, a, code, c.delegations.mayRetire)
	if err != nil {
		return v, err
	}
	old := h.Published()
	if old == nil {
		return v, c.kind.notPublished()
	}
	return c.save(ctx, a, c.kind.retire, code, c.retired(*old, time.Now().UTC()))
}

// retired returns a version as it is from now on if it is retired.
func (c *Entries[C, D, V]) retired(v V, now time.Time) V {
	l := c.kind.life(&v)
	*l.state, *l.retired = Retired, now
	return v
}

// own reads the newest versions of an entry that the caller may change. A draft of
// another's that was never published isn't there for it.
func (c *Entries[C, D, V]) own(ctx context.Context, a audit.Actor, code C, may allows) (Heads[V], error) {
	h, err := c.versions.read(ctx, code)
	if err != nil {
		return Heads[V]{}, err
	}
	if h.Newest() == nil {
		return Heads[V]{}, c.kind.unknown()
	}
	hidden := h.LastPublished() == nil && h.owner() != a.Participant
	err = may(ctx, a, string(code), h.owner(), hidden, c.kind.notOwner)
	if e, ok := errors.AsType[*refusal.Error](err); ok && hidden && e.Kind == refusal.KindForbidden {
		return Heads[V]{}, c.kind.unknown()
	}
	return h, err
}

// save saves versions of an entry in one step and returns the last with its new revision.
func (c *Entries[C, D, V]) save(ctx context.Context, a audit.Actor, act journal.Action, code C, vs ...V) (v V, err error) {
	var records []Record
	for i := range vs {
		rec, err := c.kind.record(code, &vs[i])
		if err != nil {
			return v, err
		}
		records = append(records, rec)
	}
	last := vs[len(vs)-1]
	l := c.kind.life(&last)
	e, err := c.journal.Event(ctx, a, act, map[string]string{c.kind.called: string(code), c.kind.called + "_version": strconv.Itoa(*l.version)})
	if err != nil {
		return v, err
	}
	defer c.versions.forget(code)
	switch err := c.store.SaveEntries(ctx, c.kind.of, e, records...); {
	case errors.Is(err, ErrConflict):
		return v, refusal.ChangedMeanwhile()
	case err != nil:
		return v, fmt.Errorf("saving %s %s: %w", c.kind.called, code, err)
	}
	*l.revision++
	return last, nil
}

// mayGrow returns a *refusal.Error if a draft, which takes the place of what was before, is
// more than its participant may have in the catalog.
func (c *Entries[C, D, V]) mayGrow(ctx context.Context, a audit.Actor, before Use, draft *V) error {
	more, err := useOf(true, draft)
	if err != nil {
		return err
	}
	has, err := c.store.UseOfEntries(ctx, c.kind.of, a.Participant)
	switch {
	case err != nil:
		return fmt.Errorf("reading what a participant has in the catalog: %w", err)
	case more.Drafts > before.Drafts && has.Drafts >= maxDrafts:
		return refusal.Conflict("drafts_limit", "Your participant has 1000 drafts, as many as there may be: publish some of them first.")
	case more.Bytes > before.Bytes && has.Bytes-before.Bytes+more.Bytes > maxDefinitions:
		return refusal.Conflict("definitions_limit", "Your participant's definitions have 64 MiB together, as much as there may be: shorten this one.")
	}
	return nil
}
