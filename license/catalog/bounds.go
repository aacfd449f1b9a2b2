package catalog

import (
	"context"
	"encoding/json"
	"fmt"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/refusal"
)

// Bounds of a catalog, so that no client fills the database or slows what reads it. A
// participant's are those of its types, and again of its service items; requests at
// the same moment may together pass them by a definition each.
const (
	maxVersions    = 1000
	maxDrafts      = 1000
	maxDefinitions = 64 << 20 // bytes of all versions
)

// useOf returns what a stored draft takes up that is to be replaced, nothing if it is
// another's.
func useOf(own bool, draft any) (Use, error) {
	if !own {
		return Use{}, nil
	}
	body, err := json.Marshal(draft)
	if err != nil {
		return Use{}, fmt.Errorf("encoding a draft: %w", err)
	}
	return Use{1, int64(len(body))}, nil
}

// mayGrow returns a *refusal.Error if a draft, which takes the place of what was before, is more
// than its participant may have in the catalog.
func mayGrow(ctx context.Context, used func(ctx context.Context, owner string) (Use, error), a audit.Actor, before Use, draft any) error {
	more, err := useOf(true, draft)
	if err != nil {
		return err
	}
	has, err := used(ctx, a.Participant)
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
