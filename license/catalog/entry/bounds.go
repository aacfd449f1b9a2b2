package entry

import (
	"encoding/json"
	"fmt"
)

// Bounds of a catalog, so that no client fills the database or slows what reads it. A
// participant's are those of its entries of each kind; requests at the same moment may
// together pass them by a definition each.
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
