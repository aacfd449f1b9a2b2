package refusal

import (
	"slices"
	"testing"
)

// A reason that somebody tests for is one that is given.
func TestNamedReasons(t *testing.T) {
	for _, reason := range []Reason{
		ReasonAssuranceTooLow, ReasonHolderChosePaper, ReasonOfferChanged, ReasonConsentUsed, ReasonItemUnknown,
		ReasonAskOutside, ReasonAskLarge, ReasonMaterialUnknown, ReasonTypeOutside, ReasonFieldOutside,
	} {
		if !slices.ContainsFunc(All(), func(f Refusal) bool { return f.Reason == string(reason) }) {
			t.Errorf("%s is not in the table", reason)
		}
	}
}
