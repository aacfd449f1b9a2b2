package entry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// Config says what [Entries] work with. All of it is required.
type Config struct {
	Store       Store
	Delegations *Delegations
	Journal     *journal.Recorder
}

// Entries are the entries of one kind. It is safe for concurrent use. Refusals that a caller
// may see are *[refusal.Error].
type Entries[C ~string, D, V any] struct {
	kind        *KindOf[C, D, V]
	versions    *versions[C, D, V]
	store       Store
	delegations *Delegations
	journal     *journal.Recorder
}

// New returns the entries of a kind. It reads nothing yet.
func New[C ~string, D, V any](k KindOf[C, D, V], c Config) *Entries[C, D, V] {
	return &Entries[C, D, V]{&k, newVersions(&k, c.Store), c.Store, c.Delegations, c.Journal}
}

// Put writes the draft of an entry: its first version, or the one after the newest. The entry's code must begin
// with the caller's own code, or with one that is delegated to the caller. Only the participant that defined an
// entry may change it, as long as it has the right to the code.
func (c *Entries[C, D, V]) Put(ctx context.Context, a audit.Actor, code C, d D) (v V, created bool, err error) {
	defer audit.Refusal(ctx, c.journal, &err, a, c.kind.Put, "")
	if err := c.kind.CheckCode(code); err != nil {
		return v, false, err
	}
	if err := c.kind.Check(ctx, &d); err != nil {
		return v, false, err
	}
	h, err := c.versions.read(ctx, code)
	if err != nil {
		return v, false, err
	}
	if err := c.delegations.mayWrite(ctx, a, string(code), h.owner(), h.LastPublished() == nil, c.kind.NotOwner); err != nil {
		return v, false, err
	}
	draft := c.kind.Draft(code, d)
	l := c.kind.Life(&draft)
	*l.Version, *l.State, *l.Owner, *l.Created = 1, Draft, a.Participant, time.Now().UTC()
	if newest := h.Newest(); newest != nil {
		was := c.kind.Life(newest)
		*l.Version = *was.Version + 1
		if *was.State == Draft {
			*l.Version, *l.Revision, *l.Created = *was.Version, *was.Revision, *was.Created
		}
	}
	if *l.Version > maxVersions {
		return v, false, c.kind.ManyVersions()
	}
	rec, err := c.kind.Record(code, &draft)
	if err != nil {
		return v, false, err
	}
	if err := c.mayGrow(ctx, a, h.draftOf(a.Participant), len(rec.Body)); err != nil {
		return v, false, err
	}
	v, err = c.save(ctx, a, c.kind.Put, draft, rec)
	return v, err == nil && *l.Version == 1 && *l.Revision == 0, err
}

// Publish makes the draft the version that counts, and retires the one before it. The
// draft is checked again: it may have been written when less was refused, and what it
// names may have changed. Licenses and grants stay bound to their own version.
func (c *Entries[C, D, V]) Publish(ctx context.Context, a audit.Actor, code C) (v V, err error) {
	defer audit.Refusal(ctx, c.journal, &err, a, c.kind.Publish, "")
	h, err := c.own(ctx, a, code, c.delegations.mayWrite)
	if err != nil {
		return v, err
	}
	draft := *h.Newest()
	l := c.kind.Life(&draft)
	if *l.State != Draft {
		return v, c.kind.NotDraft()
	}
	d := c.kind.Definition(&draft)
	if err := c.kind.Check(ctx, d); err != nil {
		return v, err
	}
	if c.kind.Publishable != nil {
		if err := c.kind.Publishable(d); err != nil {
			return v, err
		}
	}
	now := time.Now().UTC()
	var change []Record
	if old := h.Published(); old != nil {
		_, rec, err := c.retired(code, *old, now)
		if err != nil {
			return v, err
		}
		change = append(change, rec)
	}
	*l.State, *l.Published = Published, now
	rec, err := c.kind.Record(code, &draft)
	if err != nil {
		return v, err
	}
	return c.save(ctx, a, c.kind.Publish, draft, append(change, rec)...)
}

// Retire ends the use of an entry. What was made under it stays as it is.
func (c *Entries[C, D, V]) Retire(ctx context.Context, a audit.Actor, code C) (v V, err error) {
	defer audit.Refusal(ctx, c.journal, &err, a, c.kind.Retire, "")
	h, err := c.own(ctx, a, code, c.delegations.mayRetire)
	if err != nil {
		return v, err
	}
	old := h.Published()
	if old == nil {
		return v, c.kind.NotPublished()
	}
	retired, rec, err := c.retired(code, *old, time.Now().UTC())
	if err != nil {
		return v, err
	}
	return c.save(ctx, a, c.kind.Retire, retired, rec)
}

// retired returns a version in its retired state, with its record.
func (c *Entries[C, D, V]) retired(code C, v V, now time.Time) (V, Record, error) {
	l := c.kind.Life(&v)
	*l.State, *l.Retired = Retired, now
	rec, err := c.kind.Record(code, &v)
	return v, rec, err
}

// own reads the newest versions of an entry that the caller may change. Another participant's entry that was never
// published is refused as unknown, unless the caller may change it.
func (c *Entries[C, D, V]) own(ctx context.Context, a audit.Actor, code C, may allows) (Heads[V], error) {
	h, err := c.versions.read(ctx, code)
	if err != nil {
		return Heads[V]{}, err
	}
	if h.Newest() == nil {
		return Heads[V]{}, c.kind.Unknown()
	}
	hidden := h.LastPublished() == nil && h.owner() != a.Participant
	err = may(ctx, a, string(code), h.owner(), hidden, c.kind.NotOwner)
	if e, ok := errors.AsType[*refusal.Error](err); ok && hidden && e.Kind == refusal.KindForbidden {
		return Heads[V]{}, c.kind.Unknown()
	}
	return h, err
}

// save saves records of an entry in one step. The last record is that of the version that is acted on. save
// returns this version with its new revision.
func (c *Entries[C, D, V]) save(ctx context.Context, a audit.Actor, act journal.Action, of V, records ...Record) (v V, err error) {
	l, code := c.kind.Life(&of), C(records[len(records)-1].Code)
	e, err := c.journal.Event(ctx, a.Did(act, "", 0, journal.ResultOK, c.kind.named(code, *l.Version)))
	if err != nil {
		return v, err
	}
	defer c.versions.forget(code)
	switch err := c.store.SaveEntries(ctx, c.kind.Kind, e, records...); {
	case errors.Is(err, ErrConflict):
		return v, refusal.ChangedMeanwhile()
	case err != nil:
		return v, fmt.Errorf("saving %s %s: %w", c.kind.Called, code, err)
	}
	*l.Revision++
	return of, nil
}

// mayGrow returns a *refusal.Error if the caller's participant may not store a draft of so many bytes. before is
// what the draft that it replaces takes up.
func (c *Entries[C, D, V]) mayGrow(ctx context.Context, a audit.Actor, before Use, bytes int) error {
	more := Use{1, int64(bytes)}
	has, err := c.store.UseOfEntries(ctx, c.kind.Kind, a.Participant)
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
