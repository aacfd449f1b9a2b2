package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// Items are the service items of the catalog. It is safe for concurrent use. Refusals that
// a caller may see are *[refusal.Error].
type Items struct {
	store       ItemStore
	types       *Types
	delegations *Delegations
	journal     Journal
}

// Put writes the draft of a service item: its first version, or the one
// after the newest. Codes and who may change an item are as with types.
// Types that can serve must be published, and sensitive fields need a reason.
func (c *Items) Put(ctx context.Context, a audit.Actor, code ItemCode, d ItemDefinition) (i ServiceItem, created bool, err error) {
	defer c.journal.Audit(ctx, &err, a, journal.ActionItemPut)
	if !code.Valid() {
		return ServiceItem{}, false, refusal.Invalid("item_code", "The item code is not 1 to 64 letters, digits, - and _.")
	}
	if err := c.check(ctx, &d); err != nil {
		return ServiceItem{}, false, err
	}
	h, err := c.Heads(ctx, code)
	if err != nil {
		return ServiceItem{}, false, err
	}
	if err := c.delegations.mayWrite(ctx, a, string(code), h.owner(), h.Agreed() == nil, errItemOwner); err != nil {
		return ServiceItem{}, false, err
	}
	i = ServiceItem{Code: code, Version: 1, State: ItemDraft, ItemDefinition: d, Owner: a.Participant, CreatedAt: time.Now().UTC()}
	before := Use{}
	if newest := h.Newest(); newest != nil {
		i.Version = newest.Version + 1
		if newest.State == ItemDraft {
			i.Version, i.Revision, i.CreatedAt = newest.Version, newest.Revision, newest.CreatedAt
			if before, err = useOf(newest.Owner == a.Participant, newest); err != nil {
				return ServiceItem{}, false, err
			}
		}
	}
	if i.Version > maxVersions {
		return ServiceItem{}, false, refusal.Conflict("versions_limit", "The service item has 1000 versions, as many as there may be: define another item.")
	}
	if err := mayGrow(ctx, c.store.UseOfItems, a, before, i); err != nil {
		return ServiceItem{}, false, err
	}
	i, err = c.save(ctx, a, journal.ActionItemPut, i)
	return i, i.Version == 1 && i.Revision == 1, err
}

// Publish makes the draft the version by which licenses are asked for, and
// retires the one before it. The draft is checked again, for its types may have
// changed. Grants stay bound to the version that was agreed to.
func (c *Items) Publish(ctx context.Context, a audit.Actor, code ItemCode) (i ServiceItem, err error) {
	defer c.journal.Audit(ctx, &err, a, journal.ActionItemPublish)
	h, err := c.own(ctx, a, code, c.delegations.mayWrite)
	if err != nil {
		return ServiceItem{}, err
	}
	i = *h.Newest()
	if i.State != ItemDraft {
		return ServiceItem{}, refusal.Conflict("item_not_draft", "The service item has no draft to publish. PUT one first.")
	}
	if err := c.check(ctx, &i.ItemDefinition); err != nil {
		return ServiceItem{}, err
	}
	if err := i.checkRelations(); err != nil {
		return ServiceItem{}, err
	}
	now := time.Now().UTC()
	change := []ServiceItem{}
	if old := h.Published(); old != nil {
		retired := *old
		retired.State, retired.RetiredAt = ItemRetired, now
		change = append(change, retired)
	}
	i.State, i.PublishedAt = ItemPublished, now
	return c.save(ctx, a, journal.ActionItemPublish, append(change, i)...)
}

// Retire ends asking for licenses by an item; its grants stay as they are.
func (c *Items) Retire(ctx context.Context, a audit.Actor, code ItemCode) (i ServiceItem, err error) {
	defer c.journal.Audit(ctx, &err, a, journal.ActionItemRetire)
	h, err := c.own(ctx, a, code, c.delegations.mayRetire)
	if err != nil {
		return ServiceItem{}, err
	}
	old := h.Published()
	if old == nil {
		return ServiceItem{}, refusal.Conflict("item_not_published", "The service item has no published version to retire.")
	}
	i = *old
	i.State, i.RetiredAt = ItemRetired, time.Now().UTC()
	return c.save(ctx, a, journal.ActionItemRetire, i)
}

// Version returns a version of an item: 0 for the published one, or else the one that was
// published last, or else the draft.
func (c *Items) Version(ctx context.Context, code ItemCode, version int) (ServiceItem, error) {
	if version != 0 {
		i, err := c.At(ctx, code, version)
		if err == nil && i == nil {
			err = errItemUnknown()
		}
		if err != nil {
			return ServiceItem{}, err
		}
		return *i, nil
	}
	h, err := c.Heads(ctx, code)
	if err != nil {
		return ServiceItem{}, err
	}
	for _, i := range []*ServiceItem{h.Agreed(), h.Newest()} {
		if i != nil {
			return *i, nil
		}
	}
	return ServiceItem{}, errItemUnknown()
}

// List lists the newest version of each item with a code greater than after, drafts
// among them.
func (c *Items) List(ctx context.Context, after ItemCode, limit int) ([]ServiceItem, error) {
	records, err := c.store.ListItems(ctx, Drafts{All: true}, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing service items: %w", err)
	}
	return openItems(records)
}

// ItemHeads are the newest versions of an item, the newest first, as heads are a type's.
type ItemHeads []ServiceItem

// Newest returns the newest version, or nil.
func (h ItemHeads) Newest() *ServiceItem {
	if len(h) == 0 {
		return nil
	}
	return &h[0]
}

// Published returns the version by which licenses are asked for, or nil.
func (h ItemHeads) Published() *ServiceItem {
	if i := h.Agreed(); i != nil && i.State == ItemPublished {
		return i
	}
	return nil
}

// Agreed returns the version that was published last, also if it is retired; nil if
// none was.
func (h ItemHeads) Agreed() *ServiceItem {
	for i := range h {
		if h[i].State != ItemDraft {
			return &h[i]
		}
	}
	return nil
}

// owner returns the participant that wrote the newest version, or "".
func (h ItemHeads) owner() string {
	if i := h.Newest(); i != nil {
		return i.Owner
	}
	return ""
}

// Heads returns the newest versions of an item.
func (c *Items) Heads(ctx context.Context, code ItemCode) (ItemHeads, error) {
	return c.load(ctx, code, 0, 2)
}

// At returns one version of an item, or nil if there is none.
func (c *Items) At(ctx context.Context, code ItemCode, version int) (*ServiceItem, error) {
	is, err := c.load(ctx, code, version+1, 1)
	if err != nil || len(is) == 0 || is[0].Version != version {
		return nil, err
	}
	return &is[0], nil
}

// load reads versions of an item. What can't be a code isn't looked up.
func (c *Items) load(ctx context.Context, code ItemCode, before, limit int) ([]ServiceItem, error) {
	if !code.Valid() {
		return nil, nil
	}
	records, err := c.store.LoadItems(ctx, code, before, limit)
	if err != nil {
		return nil, fmt.Errorf("reading service item %s: %w", code, err)
	}
	return openItems(records)
}

func openItems(records []ItemRecord) ([]ServiceItem, error) {
	var is []ServiceItem
	for _, rec := range records {
		var i ServiceItem
		if err := json.Unmarshal(rec.Body, &i); err != nil {
			return nil, fmt.Errorf("opening service item %s version %d: %w", rec.Code, rec.Version, err)
		}
		i.State, i.Revision = rec.State, rec.Revision
		is = append(is, i)
	}
	return is, nil
}

// own reads the newest versions of an item that the caller may change, as [Types] do
// a type's.
func (c *Items) own(ctx context.Context, a audit.Actor, code ItemCode, may allows) (ItemHeads, error) {
	h, err := c.Heads(ctx, code)
	switch {
	case err != nil:
		return nil, err
	case h.Newest() == nil:
		return nil, errItemUnknown()
	}
	hidden := h.Agreed() == nil && h.owner() != a.Participant
	err = may(ctx, a, string(code), h.owner(), hidden, errItemOwner)
	if e, ok := errors.AsType[*refusal.Error](err); ok && hidden && e.Kind == refusal.KindForbidden {
		return nil, errItemUnknown()
	}
	return h, err
}

// save saves items in one step and returns the last with its new revision.
func (c *Items) save(ctx context.Context, a audit.Actor, act journal.Action, is ...ServiceItem) (ServiceItem, error) {
	var records []ItemRecord
	for _, i := range is {
		body, err := json.Marshal(i)
		if err != nil {
			return ServiceItem{}, fmt.Errorf("encoding service item %s: %w", i.Code, err)
		}
		records = append(records, ItemRecord{
			Code: i.Code, Version: i.Version, State: i.State, Revision: i.Revision, Owner: i.Owner, Body: body, Updated: time.Now(),
		})
	}
	i := is[len(is)-1]
	e, err := c.journal.Event(ctx, a, act, map[string]string{"item": string(i.Code), "item_version": fmt.Sprint(i.Version)})
	if err != nil {
		return ServiceItem{}, err
	}
	switch err := c.store.SaveItems(ctx, e, records...); {
	case errors.Is(err, ErrConflict):
		return ServiceItem{}, refusal.ChangedMeanwhile()
	case err != nil:
		return ServiceItem{}, fmt.Errorf("saving service item %s: %w", i.Code, err)
	}
	i.Revision++
	return i, nil
}

func errItemUnknown() error {
	return refusal.Missing("item_unknown", "There is no service item with this code.")
}

func errItemOwner() error {
	return refusal.Forbidden("item_owner", "The service item was defined by another participant, which alone may change it.")
}
