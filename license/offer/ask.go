package offer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/strictjson"
)

// Ask is what a client asks of a subject: an RFC 9396 authorization detail of
// type "license". [ParseAsk] makes well-formed ones.
type Ask struct {
	Item     catalog.ItemCode `json:"service_item"`
	Case     string           `json:"case"`               // 办件编号
	Licenses []AskedLicense   `json:"licenses,omitempty"` // empty: the item decides
	Acting   string           `json:"acting,omitempty"`   // for whom whoever agrees must act: self, organization or person; empty: that is open
}

// AskedLicense narrows a material to a type and parts.
type AskedLicense struct {
	Material string              `json:"material"`
	TypeCode credential.TypeCode `json:"type_code"`
	Fields   []string            `json:"fields,omitempty"` // empty: those of the item. A name alone is a field's
}

// AskType is the "type" of the authorization detail.
const AskType = "license"

// Bounds of an authorization detail.
const (
	maxAsk     = 64 << 10 // bytes
	maxAsked   = 100      // licenses
	maxCase    = 64       // characters
	maxAskPart = 128      // bytes
)

// ParseAsk reads an authorization detail of type "license": strict JSON of at
// most 64 KiB, with no member but type, service_item, case, licenses and acting, as RFC
// 9396 section 5 wants it. Errors are *refusal.Error of refusal.KindInvalid, which OAuth calls
// invalid_authorization_details; they echo no value.
func ParseAsk(detail []byte) (Ask, error) {
	if len(detail) > maxAsk {
		return Ask{}, refusal.Invalid("ask_size", "An authorization detail has at most 64 KiB.")
	}
	var wire struct {
		Type string `json:"type"`
		Ask
	}
	if err := strictjson.Decode(detail, &wire); err != nil {
		return Ask{}, refusal.Invalid("ask_json", "The authorization detail is not strict JSON with the members type, service_item, case, acting and licenses {material, type_code, fields}.")
	}
	if wire.Type != AskType {
		return Ask{}, refusal.Invalid("ask_type", "The authorization detail is not of type license.")
	}
	if err := wire.check(); err != nil {
		return Ask{}, err
	}
	return wire.Ask, nil
}

// check checks an ask's form and brings the names of parts into their one form.
func (q *Ask) check() error {
	var vs refusal.Violations
	vs.When(!q.Item.Valid(), "/service_item", "item_code", "must be the code of a service item")
	vs.Text("/case", q.Case, 1, maxCase)
	vs.When(!slices.Contains([]string{"", "self", "organization", "person"}, q.Acting), "/acting", "acting_unknown", "must be self, organization or person")
	vs.When(len(q.Licenses) > maxAsked, "/licenses", "count", "must be at most 100")
	if len(q.Licenses) > maxAsked {
		return vs.Err("ask_invalid", "The authorization detail is not acceptable; see violations.")
	}
	type entry struct {
		material string
		typ      credential.TypeCode
	}
	seen := map[entry]bool{}
	for i := range q.Licenses {
		l, at := &q.Licenses[i], fmt.Sprintf("/licenses/%d", i)
		vs.When(!catalog.ValidMaterial(l.Material), at+"/material", "pattern", "must be the id of a material")
		vs.When(!l.TypeCode.Valid(), at+"/type_code", "type_code", "must be the code of a license type")
		vs.When(seen[entry{l.Material, l.TypeCode}], at, "duplicate", "stands twice")
		seen[entry{l.Material, l.TypeCode}] = true
		vs.When(len(l.Fields) > catalog.MaxParts, at+"/fields", "count", "must be at most 100")
		parts := make([]string, 0, min(len(l.Fields), catalog.MaxParts))
		for j, part := range l.Fields[:min(len(l.Fields), catalog.MaxParts)] {
			at := fmt.Sprintf("%s/fields/%d", at, j)
			vs.When(len(part) > maxAskPart || !refusal.VisibleASCII(part) || part == "", at, "characters", "must be the name of a part")
			part = partNamed(part)
			vs.When(slices.Contains(parts, part), at, "duplicate", "stands twice")
			parts = append(parts, part)
		}
		l.Fields = parts
	}
	return vs.Err("ask_invalid", "The authorization detail is not acceptable; see violations.")
}

// partNamed returns a part in its one form: a name alone is a field's.
func partNamed(s string) string {
	switch s {
	case catalog.PartIdentifier, catalog.PartNumber, catalog.PartAreaCode, catalog.PartHolders:
		return s
	}
	if strings.HasPrefix(s, catalog.PartField) {
		return s
	}
	return catalog.PartField + s
}

// CheckAsk checks an ask against its item, before anybody logs in for it: the item must be published, and
// materials, types and parts must be the item's. It returns the item. Errors that the client may see are
// *refusal.Error of refusal.KindInvalid. The client's registration says which items it may name at all.
func (r *Service) CheckAsk(ctx context.Context, a audit.Actor, q Ask) (i catalog.ServiceItem, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionGrantOffer, "")
	i, _, err = r.asked(ctx, q)
	return i, err
}

// Refused records that a client was refused an ask before it could be checked here.
// Refusals that repeat are merged.
func (r *Service) Refused(ctx context.Context, a audit.Actor, reason string) error {
	return audit.Refused(ctx, r.c.Journal, a, journal.ActionGrantOffer, "", reason)
}

// asked returns the item of an ask, and its materials as far as they are asked for.
func (r *Service) asked(ctx context.Context, q Ask) (catalog.ServiceItem, []catalog.Material, error) {
	q.Licenses = slices.Clone(q.Licenses)
	if err := q.check(); err != nil {
		return catalog.ServiceItem{}, nil, err
	}
	h, err := r.c.Items.Heads(ctx, q.Item)
	if err != nil {
		return catalog.ServiceItem{}, nil, err
	}
	i := h.Published()
	if i == nil {
		return catalog.ServiceItem{}, nil, refusal.Invalid("item_unknown", "There is no published service item with this code.")
	}
	materials, err := narrowed(&i.ItemDefinition, q.Licenses)
	if err == nil && catalog.Wide(materials) {
		err = refusal.Invalid("ask_large", "The authorization detail asks for more than 500 parts of licenses, or for more than 100 license types, at once. Name in licenses what this case needs.")
	}
	return *i, r.confirmed(ctx, i, materials), err
}

// narrowed returns the item's materials, in its order, as far as they are asked for.
func narrowed(d *catalog.ItemDefinition, asked []AskedLicense) ([]catalog.Material, error) {
	if len(asked) == 0 {
		return d.Materials, nil
	}
	var vs refusal.Violations
	wanted := map[string][]catalog.Alternative{}
	for i, l := range asked {
		at := fmt.Sprintf("/licenses/%d", i)
		m := d.Material(l.Material)
		if m == nil {
			vs.Add(at+"/material", "material_unknown", "is not a material of the service item")
			continue
		}
		alt := m.Alternative(l.TypeCode)
		if alt == nil {
			vs.Add(at+"/type_code", "type_outside", "is not a license type that the service item takes for this material")
			continue
		}
		narrow := *alt
		if len(l.Fields) > 0 {
			narrow.Fields = l.Fields
		}
		for j, part := range l.Fields {
			vs.When(!slices.Contains(alt.Fields, part), fmt.Sprintf("%s/fields/%d", at, j), "field_outside", "is not a part that the service item needs of this license type")
		}
		wanted[m.ID] = append(wanted[m.ID], narrow)
	}
	if err := vs.Err("ask_outside", "The authorization detail asks for more than the service item needs; see violations."); err != nil {
		return nil, err
	}
	var ms []catalog.Material
	for _, m := range d.Materials {
		if alts, ok := wanted[m.ID]; ok {
			m.Alternatives = alts
			ms = append(ms, m)
		}
	}
	return ms, nil
}
