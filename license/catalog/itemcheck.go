package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/schema"
)

// Bounds of an item's definition.
const (
	maxItemText     = 200
	MaxMaterials    = 50
	maxAlternatives = 20
	MaxParts        = 100
)

// itemCheck checks definitions of service items against the license types that they name.
type itemCheck struct{ types *Types }

// check returns a *refusal.Error that names everything wrong with a definition.
func (c itemCheck) check(ctx context.Context, d *ItemDefinition) error {
	var vs refusal.Violations
	vs.Text("/name", d.Name, 1, maxItemText)
	vs.Names("/names", d.Names, maxItemText)
	vs.Text("/purpose", d.Purpose, 1, maxItemText)
	vs.Names("/purposes", d.Purposes, maxItemText)
	vs.AreaCode(d.AreaCode)
	vs.When(len(d.Materials) == 0 || len(d.Materials) > MaxMaterials, "/materials", "count", "must be 1 to 50 materials")
	seen := map[string]bool{}
	fields := map[credential.TypeCode][]string{}
	for i := range d.Materials[:min(len(d.Materials), MaxMaterials)] {
		m, at := &d.Materials[i], fmt.Sprintf("/materials/%d", i)
		vs.When(!materialID.MatchString(m.ID), at+"/id", "pattern", "must be lower-case letters, digits and -, at most 64, no - first")
		vs.When(seen[m.ID], at+"/id", "duplicate", "stands twice")
		seen[m.ID] = true
		if err := c.checkMaterial(ctx, &vs, at, m, fields); err != nil {
			return err
		}
	}
	vs.When(Wide(d.Materials), "/materials", "count", "must ask for at most 500 parts (of each material the license type with most of them) and 100 license types in all")
	return vs.Err("item_invalid", "The definition of the service item is not usable; see violations.")
}

// checkMaterial checks a material. fields caches the field names of the types that were read so far: an item may
// name the same type again and again.
func (c itemCheck) checkMaterial(ctx context.Context, vs *refusal.Violations, at string, m *Material, fields map[credential.TypeCode][]string) error {
	vs.Text(at+"/name", m.Name, 1, maxItemText)
	vs.Names(at+"/names", m.Names, maxItemText)
	switch m.Relation {
	case RelationApplicant, RelationSpouse, RelationChild, RelationLegalRepresentative:
	default:
		vs.Add(at+"/relation", "enum", "must be applicant, spouse, child or legal_representative")
	}
	vs.When(len(m.Alternatives) == 0 || len(m.Alternatives) > maxAlternatives, at+"/alternatives", "count", "must be 1 to 20 license types")
	seen := map[credential.TypeCode]bool{}
	asked := map[string]bool{}
	for i, alt := range m.Alternatives[:min(len(m.Alternatives), maxAlternatives)] {
		at := fmt.Sprintf("%s/alternatives/%d", at, i)
		vs.When(seen[alt.TypeCode], at+"/type_code", "duplicate", "stands twice")
		seen[alt.TypeCode] = true
		h, err := c.types.Heads(ctx, alt.TypeCode)
		if err != nil {
			return err
		}
		typ := h.Published()
		if typ == nil {
			vs.Add(at+"/type_code", "type_not_published", "is not a published license type")
			continue
		}
		vs.When(alt.Role != "" && typ.Role(alt.Role) == nil, at+"/role", "role_unknown", "is not a role of the license type")
		if fields[alt.TypeCode] == nil {
			if fields[alt.TypeCode], err = typ.fieldNames(); err != nil {
				return err
			}
		}
		typ.checkParts(vs, at+"/fields", alt.Fields, fields[alt.TypeCode], m.Reasons)
		for _, part := range alt.Fields {
			asked[part] = true
		}
	}
	vs.When(len(m.Reasons) > MaxParts, at+"/reasons", "count", "must be at most 100 reasons")
	for _, part := range slices.Sorted(maps.Keys(m.Reasons))[:min(len(m.Reasons), MaxParts)] {
		at := at + schema.Pointer([]string{"reasons", part})
		vs.Text(at, m.Reasons[part], 1, maxItemText)
		vs.When(!asked[part], at, "unknown_part", "is a reason for a part that is not asked for")
	}
	m.checkReasonsIn(vs, at)
	if m.LegalBasis != "" {
		vs.Text(at+"/legal_basis", m.LegalBasis, 1, maxItemText)
	}
	vs.When(m.LegalBasis == "" && len(m.LegalBasisIn) > 0, at+"/legal_basis_in", "legal_basis_missing", "is in other languages what legal_basis lacks in Chinese")
	vs.Names(at+"/legal_basis_in", m.LegalBasisIn, maxItemText)
	return nil
}

// checkReasonsIn checks the reasons in other languages.
func (m *Material) checkReasonsIn(vs *refusal.Violations, at string) {
	vs.When(len(m.ReasonsIn) > MaxParts, at+"/reasons_in", "count", "must be at most 100 reasons")
	for _, part := range slices.Sorted(maps.Keys(m.ReasonsIn))[:min(len(m.ReasonsIn), MaxParts)] {
		at := at + schema.Pointer([]string{"reasons_in", part})
		vs.When(m.Reasons[part] == "", at, "reason_missing", "is in other languages what reasons lacks in Chinese")
		vs.Names(at, m.ReasonsIn[part], maxItemText)
	}
}

// fieldNames returns the names of the face fields. It does not compile the schema for this.
func (t *Type) fieldNames() ([]string, error) {
	var of struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(t.Schema, &of); err != nil {
		return nil, fmt.Errorf("reading the schema of type %s version %d: %w", t.Code, t.Version, err)
	}
	return slices.Sorted(maps.Keys(of.Properties)), nil
}

// checkParts checks the parts that a material asks for of licenses of this type, whose face fields are fields.
func (t *Type) checkParts(vs *refusal.Violations, at string, parts, fields []string, reasons map[string]string) {
	vs.When(len(parts) == 0 || len(parts) > MaxParts, at, "count", "must name 1 to 100 parts")
	for i, part := range parts[:min(len(parts), MaxParts)] {
		at := fmt.Sprintf("%s/%d", at, i)
		vs.When(slices.Contains(parts[:i], part), at, "duplicate", "stands twice")
		switch name, field := strings.CutPrefix(part, PartField); {
		case field && !slices.Contains(fields, name):
			vs.Add(at, "unknown_part", "is not a field of the license type")
		case field && slices.Contains(t.Sensitive, name) && reasons[part] == "":
			vs.Add(at, "reason_missing", "is a sensitive field, for which the material must give a reason")
		case !field && part != PartIdentifier && part != PartNumber && part != PartAreaCode && part != PartHolders:
			vs.Add(at, "unknown_part", "must be identifier, number, area_code, holders, or fields/ and a field's name")
		}
	}
}

// Bounds of what is asked for at once: a person has to read it.
const (
	maxAskedParts = 500 // for each material, the type with the most parts counts
	maxAskedTypes = 100
)

// Wide reports whether materials ask for more than may be asked for at once.
func Wide(ms []Material) bool {
	parts, types := 0, 0
	for _, m := range ms {
		most := 0
		for _, alt := range m.Alternatives {
			most = max(most, len(alt.Fields))
		}
		parts, types = parts+most, types+len(m.Alternatives)
	}
	return parts > maxAskedParts || types > maxAskedTypes
}
