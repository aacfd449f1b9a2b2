package relation

import (
	"context"
	"errors"
	"slices"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/schema"
)

// Trouble says why licenses of a believed type prove nothing, or less than the operator may think.
type Trouble string

// The troubles.
const (
	Unpublished Trouble = "unpublished" // there is no such type, or it isn't published
	NoRole      Trouble = "no_role"     // the type doesn't have one of the roles
	NoDate      Trouble = "no_date"     // the type doesn't have the face field
	Uncovered   Trouble = "uncovered"   // not all marriages or divorces are here, so no marriage is proved
)

// Finding is a trouble with a believed type.
type Finding struct {
	Type    credential.TypeCode
	Trouble Trouble
}

// Examine compares what the operator believes with the catalog.
func (r *Service) Examine(ctx context.Context) ([]Finding, error) {
	var all []Finding
	for i := range r.c.Believed {
		b := &r.c.Believed[i]
		h, err := r.c.Types.Heads(ctx, b.Type)
		if e, ok := errors.AsType[*refusal.Error](err); err != nil && (!ok || e.Kind != refusal.KindMissing) {
			return nil, err
		}
		typ := h.Published()
		if err != nil || typ == nil {
			all = append(all, Finding{b.Type, Unpublished})
			continue
		}
		for _, role := range slices.Concat(b.Representatives, []string{b.Principal}) {
			if role != "" && typ.Role(role) == nil {
				all = append(all, Finding{b.Type, NoRole})
				break
			}
		}
		if b.Date != "" {
			s, err := schema.Compile(typ.Schema)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(s.Fields(), func(f schema.Field) bool { return f.Name == b.Date }) {
				all = append(all, Finding{b.Type, NoDate})
			}
		}
		if (b.Proves == Marriage || b.Proves == Divorce) && !typ.Covered() {
			all = append(all, Finding{b.Type, Uncovered})
		}
	}
	return all, nil
}
