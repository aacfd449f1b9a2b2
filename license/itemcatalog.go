package license

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"yizheng.internal/license/schema"
)

// Bounds of an item's definition.
const (
	maxItemText     = 200
	maxMaterials    = 50
	maxAlternatives = 20
	maxParts        = 100
)

// PutItem writes the draft of a service item: its first version, or the one
// after the newest. Codes and who may change an item are as with types.
// Types that can serve must be published, and sensitive fields need a reason.
func (r *Registry) PutItem(ctx context.Context, a Actor, code ItemCode, d ItemDefinition) (i ServiceItem, created bool, err error) {
	defer r.audit(ctx, &err, a, ActionItemPut, "", 0)
	if !code.Valid() {
		return ServiceItem{}, false, invalid("item_code", "The item code is not 1 to 64 letters, digits, - and _.")
	}
	if err := r.checkItem(ctx, &d); err != nil {
		return ServiceItem{}, false, err
	}
	vs, err := r.items(ctx, code)
	if err != nil {
		return ServiceItem{}, false, err
	}
	if err := r.mayWrite(ctx, a, string(code), ownerOfItem(vs), errItemOwner); err != nil {
		return ServiceItem{}, false, err
	}
	i = ServiceItem{Code: code, Version: 1, State: ItemDraft, ItemDefinition: d, Owner: a.Participant, CreatedAt: time.Now().UTC()}
	if n := len(vs); n > 0 {
		newest := vs[n-1]
		i.Version = newest.Version + 1
		if newest.State == ItemDraft {
			i.Version, i.Revision, i.CreatedAt = newest.Version, newest.Revision, newest.CreatedAt
		}
	}
	i, err = r.saveItems(ctx, a, ActionItemPut, i)
	return i, i.Version == 1 && i.Revision == 1, err
}

// PublishItem makes the draft the version by which licenses are asked for, and
// retires the one before it. The draft is checked again, for its types may have
// changed. Grants stay bound to the version that was agreed to.
func (r *Registry) PublishItem(ctx context.Context, a Actor, code ItemCode) (i ServiceItem, err error) {
	defer r.audit(ctx, &err, a, ActionItemPublish, "", 0)
	vs, err := r.ownItems(ctx, a, code, r.mayWrite)
	if err != nil {
		return ServiceItem{}, err
	}
	i = vs[len(vs)-1]
	if i.State != ItemDraft {
		return ServiceItem{}, conflict("item_not_draft", "The service item has no draft to publish. PUT one first.")
	}
	if err := r.checkItem(ctx, &i.ItemDefinition); err != nil {
		return ServiceItem{}, err
	}
	if err := i.checkRelations(); err != nil {
		return ServiceItem{}, err
	}
	now := time.Now().UTC()
	change := []ServiceItem{}
	if old := publishedItem(vs); old != nil {
		retired := *old
		retired.State, retired.RetiredAt = ItemRetired, now
		change = append(change, retired)
	}
	i.State, i.PublishedAt = ItemPublished, now
	return r.saveItems(ctx, a, ActionItemPublish, append(change, i)...)
}

// RetireItem ends asking for licenses by an item; its grants stay as they are.
func (r *Registry) RetireItem(ctx context.Context, a Actor, code ItemCode) (i ServiceItem, err error) {
	defer r.audit(ctx, &err, a, ActionItemRetire, "", 0)
	vs, err := r.ownItems(ctx, a, code, r.mayRetire)
	if err != nil {
		return ServiceItem{}, err
	}
	old := publishedItem(vs)
	if old == nil {
		return ServiceItem{}, conflict("item_not_published", "The service item has no published version to retire.")
	}
	i = *old
	i.State, i.RetiredAt = ItemRetired, time.Now().UTC()
	return r.saveItems(ctx, a, ActionItemRetire, i)
}

// Item returns a version of an item: 0 for the published one, or else the newest.
func (r *Registry) Item(ctx context.Context, code ItemCode, version int) (ServiceItem, error) {
	if !code.Valid() {
		return ServiceItem{}, errItemUnknown()
	}
	vs, err := r.items(ctx, code)
	if err != nil {
		return ServiceItem{}, err
	}
	if version == 0 {
		if v := publishedItem(vs); v != nil {
			return *v, nil
		}
		if n := len(vs); n > 0 {
			return vs[n-1], nil
		}
	}
	for _, v := range vs {
		if v.Version == version {
			return v, nil
		}
	}
	return ServiceItem{}, errItemUnknown()
}

// Items lists the newest version of each item with a code greater than after.
func (r *Registry) Items(ctx context.Context, after ItemCode, limit int) ([]ServiceItem, error) {
	records, err := r.c.Stores.ListItems(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing service items: %w", err)
	}
	return openItems(records)
}

// items returns all versions of an item, oldest first.
func (r *Registry) items(ctx context.Context, code ItemCode) ([]ServiceItem, error) {
	records, err := r.c.Stores.LoadItems(ctx, code)
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

// ownItems reads an item that the caller may change.
func (r *Registry) ownItems(ctx context.Context, a Actor, code ItemCode, may allows) ([]ServiceItem, error) {
	if !code.Valid() {
		return nil, errItemUnknown()
	}
	vs, err := r.items(ctx, code)
	switch {
	case err != nil:
		return nil, err
	case len(vs) == 0:
		return nil, errItemUnknown()
	}
	if err := may(ctx, a, string(code), ownerOfItem(vs), errItemOwner); err != nil {
		return nil, err
	}
	return vs, nil
}

// ownerOfItem returns the participant that wrote the newest version, or "".
func ownerOfItem(vs []ServiceItem) string {
	if len(vs) == 0 {
		return ""
	}
	return vs[len(vs)-1].Owner
}

// saveItems saves items in one step and returns the last with its new revision.
func (r *Registry) saveItems(ctx context.Context, a Actor, act Action, is ...ServiceItem) (ServiceItem, error) {
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
	e, err := r.event(ctx, a, act, "", 0, "ok", map[string]string{"item": string(i.Code), "item_version": fmt.Sprint(i.Version)})
	if err != nil {
		return ServiceItem{}, err
	}
	switch err := r.c.Stores.SaveItems(ctx, e, records...); {
	case errors.Is(err, ErrConflict):
		return ServiceItem{}, errChanged()
	case err != nil:
		return ServiceItem{}, fmt.Errorf("saving service item %s: %w", i.Code, err)
	}
	i.Revision++
	return i, nil
}

// publishedItem returns the version by which licenses are asked for, or nil.
func publishedItem(vs []ServiceItem) *ServiceItem {
	for i := range vs {
		if vs[i].State == ItemPublished {
			return &vs[i]
		}
	}
	return nil
}

func errItemUnknown() error {
	return missing("item_unknown", "There is no service item with this code.")
}

func errItemOwner() error {
	return forbidden("item_owner", "The service item was defined by another participant, which alone may change it.")
}

// checkItem returns an *Error that names everything wrong with a definition.
func (r *Registry) checkItem(ctx context.Context, d *ItemDefinition) error {
	var vs violations
	vs.text("/name", d.Name, 1, maxItemText)
	vs.names("/names", d.Names, maxItemText)
	vs.text("/purpose", d.Purpose, 1, maxItemText)
	vs.names("/purposes", d.Purposes, maxItemText)
	n := len(d.AreaCode)
	vs.when(n > 0 && (!digits(d.AreaCode) || n != 6 && n != 9 && n != 12), "/area_code", "area_code", "must be 6, 9 or 12 digits (GB/T 2260, GB/T 10114)")
	vs.when(len(d.Materials) == 0 || len(d.Materials) > maxMaterials, "/materials", "count", "must be 1 to 50 materials")
	seen := map[string]bool{}
	for i := range d.Materials[:min(len(d.Materials), maxMaterials)] {
		m, at := &d.Materials[i], fmt.Sprintf("/materials/%d", i)
		vs.when(!materialID.MatchString(m.ID), at+"/id", "pattern", "must be lower-case letters, digits and -, at most 64, no - first")
		vs.when(seen[m.ID], at+"/id", "duplicate", "stands twice")
		seen[m.ID] = true
		if err := r.checkMaterial(ctx, &vs, at, m); err != nil {
			return err
		}
	}
	vs.when(wide(d.Materials), "/materials", "count", "must ask for at most 500 parts (of each material the license type with most of them) and 100 license types in all")
	return vs.err("item_invalid", "The definition of the service item is not usable; see violations.")
}

func (r *Registry) checkMaterial(ctx context.Context, vs *violations, at string, m *Material) error {
	vs.text(at+"/name", m.Name, 1, maxItemText)
	vs.names(at+"/names", m.Names, maxItemText)
	switch m.Relation {
	case RelationApplicant, RelationSpouse, RelationChild, RelationLegalRepresentative:
	default:
		vs.add(at+"/relation", "enum", "must be applicant, spouse, child or legal_representative")
	}
	vs.when(len(m.Alternatives) == 0 || len(m.Alternatives) > maxAlternatives, at+"/alternatives", "count", "must be 1 to 20 license types")
	seen := map[TypeCode]bool{}
	asked := map[string]bool{}
	for i, alt := range m.Alternatives[:min(len(m.Alternatives), maxAlternatives)] {
		at := fmt.Sprintf("%s/alternatives/%d", at, i)
		vs.when(seen[alt.TypeCode], at+"/type_code", "duplicate", "stands twice")
		seen[alt.TypeCode] = true
		types, err := r.types.versions(ctx, alt.TypeCode)
		if err != nil {
			return err
		}
		typ := published(types)
		if typ == nil {
			vs.add(at+"/type_code", "type_not_published", "is not a published license type")
			continue
		}
		vs.when(alt.Role != "" && typ.role(alt.Role) == nil, at+"/role", "role_unknown", "is not a role of the license type")
		typ.checkParts(vs, at+"/fields", alt.Fields, m.Reasons)
		for _, part := range alt.Fields {
			asked[part] = true
		}
	}
	vs.when(len(m.Reasons) > maxParts, at+"/reasons", "count", "must be at most 100 reasons")
	for _, part := range slices.Sorted(maps.Keys(m.Reasons))[:min(len(m.Reasons), maxParts)] {
		at := at + schema.Pointer([]string{"reasons", part})
		vs.text(at, m.Reasons[part], 1, maxItemText)
		vs.when(!asked[part], at, "unknown_part", "is a reason for a part that is not asked for")
	}
	m.checkReasonsIn(vs, at)
	return nil
}

// checkReasonsIn checks the reasons in other languages.
func (m *Material) checkReasonsIn(vs *violations, at string) {
	vs.when(len(m.ReasonsIn) > maxParts, at+"/reasons_in", "count", "must be at most 100 reasons")
	for _, part := range slices.Sorted(maps.Keys(m.ReasonsIn))[:min(len(m.ReasonsIn), maxParts)] {
		at := at + schema.Pointer([]string{"reasons_in", part})
		vs.when(m.Reasons[part] == "", at, "reason_missing", "is in other languages what reasons lacks in Chinese")
		vs.names(at, m.ReasonsIn[part], maxItemText)
	}
}

// checkRelations refuses materials that could never be resolved: nobody's spouse,
// child or legal representative is known yet.
func (d *ItemDefinition) checkRelations() error {
	var vs violations
	for i := range d.Materials {
		vs.when(d.Materials[i].Relation != RelationApplicant, fmt.Sprintf("/materials/%d/relation", i), "relation_unsupported",
			"must be applicant: whose spouse, child or legal representative somebody is, is not known yet")
	}
	return vs.err("item_invalid", "The service item can't be published; see violations.")
}

// checkParts checks the parts that are asked of licenses of a type.
func (t *issuable) checkParts(vs *violations, at string, parts []string, reasons map[string]string) {
	vs.when(len(parts) == 0 || len(parts) > maxParts, at, "count", "must name 1 to 100 parts")
	for i, part := range parts[:min(len(parts), maxParts)] {
		at := fmt.Sprintf("%s/%d", at, i)
		vs.when(slices.Contains(parts[:i], part), at, "duplicate", "stands twice")
		switch name, field := strings.CutPrefix(part, partField); {
		case field && !slices.ContainsFunc(t.schema.Fields(), func(f schema.Field) bool { return f.Name == name }):
			vs.add(at, "unknown_part", "is not a field of the license type")
		case field && slices.Contains(t.Sensitive, name) && reasons[part] == "":
			vs.add(at, "reason_missing", "is a sensitive field, for which the material must give a reason")
		case !field && part != PartIdentifier && part != PartNumber && part != PartAreaCode && part != PartHolders:
			vs.add(at, "unknown_part", "must be identifier, number, area_code, holders, or fields/ and a field's name")
		}
	}
}
