package offer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/strictjson"
)

// Lawful is a legal basis that the operator confirmed: by it the version of an item gets without their agreement
// what concerns others. Whoever defines items can't give themselves that.
type Lawful struct {
	Item    catalog.ItemCode `json:"service_item"`
	Version int              `json:"version"`
	Basis   string           `json:"legal_basis"` // as the material says it, character for character
}

// Bounds of the file.
const (
	maxLawfulFile = 256 << 10 // bytes
	maxLawful     = 500
	maxBasis      = 200 // characters
)

// ReadLawful reads the operator's file: strict JSON, a list, each as [Lawful] says.
func ReadLawful(text []byte) ([]Lawful, error) {
	var all []Lawful
	if len(text) > maxLawfulFile {
		return nil, fmt.Errorf("the file has more than %d bytes", maxLawfulFile)
	}
	if err := strictjson.DecodeShallow(text, &all, 3); err != nil {
		if e, ok := errors.AsType[*strictjson.Error](err); ok && e.Pointer != "" {
			return nil, fmt.Errorf("at %s: %s", e.Pointer, e.Kind)
		}
		return nil, errors.New("the file isn't a JSON list [{\"service_item\", \"version\", \"legal_basis\"}, …] as the guide describes it")
	}
	if len(all) > maxLawful {
		return nil, fmt.Errorf("there are more than %d legal bases", maxLawful)
	}
	for i, l := range all {
		switch n := utf8.RuneCountInString(l.Basis); {
		case !l.Item.Valid():
			return nil, fmt.Errorf("at /%d/service_item: isn't the code of a service item", i)
		case l.Version < 1:
			return nil, fmt.Errorf("at /%d/version: isn't the number of a version, 1 or more", i)
		case n == 0 || n > maxBasis:
			return nil, fmt.Errorf("at /%d/legal_basis: isn't 1 to %d characters", i, maxBasis)
		case slices.Contains(all[:i], l):
			return nil, fmt.Errorf("at /%d: it stands twice", i)
		}
	}
	return all, nil
}

// confirmed returns an item's materials with those legal bases alone that the operator confirmed. The others are
// logged, once each.
func (r *Service) confirmed(ctx context.Context, i *catalog.ServiceItem, materials []catalog.Material) []catalog.Material {
	materials = slices.Clone(materials)
	for k := range materials {
		m := &materials[k]
		if m.LegalBasis == "" {
			continue
		}
		l := Lawful{i.Code, i.Version, m.LegalBasis}
		if slices.Contains(r.c.Lawful, l) {
			continue
		}
		m.LegalBasis, m.LegalBasisIn = "", nil
		if _, told := r.told.LoadOrStore(l, true); !told {
			r.c.Log.WarnContext(ctx, "a service item names a legal basis that --legal-basis doesn't confirm: without it the people concerned must agree",
				"item", l.Item, "version", l.Version, "material", m.ID)
		}
	}
	return materials
}

// Unused returns the confirmed legal bases that no material of their item's published version names: those of an
// older version, or with another text. They have no effect.
func (r *Service) Unused(ctx context.Context) (unused []Lawful, err error) {
	for _, l := range r.c.Lawful {
		h, err := r.c.Items.Heads(ctx, l.Item)
		if e, ok := errors.AsType[*refusal.Error](err); err != nil && (!ok || e.Kind != refusal.KindMissing) {
			return nil, err
		}
		i := h.Published()
		if err != nil || i == nil || i.Version != l.Version || !slices.ContainsFunc(i.Materials, func(m catalog.Material) bool { return m.LegalBasis == l.Basis }) {
			unused = append(unused, l)
		}
	}
	return unused, nil
}
