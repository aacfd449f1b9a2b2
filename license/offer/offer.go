// Package offer finds the licenses that people have: all of them, for themselves to look at, and for each
// material that a client asks for, those that can serve. It reads and opens licenses, decides nothing, and
// changes nothing.
package offer

import (
	"slices"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
)

// Outcome says what was found for a material.
type Outcome string

const (
	OutcomeFound       Outcome = "found"  // one license; to be agreed to
	OutcomeChoice      Outcome = "choice" // several; the holder chooses
	OutcomeMissing     Outcome = "missing"
	OutcomeUncollected Outcome = "not_collected" // 未归集: the authorities' coverage isn't complete
	OutcomeExpired     Outcome = "expired"
	OutcomeEnded       Outcome = "ended"         // see Dated
	OutcomeNotYet      Outcome = "not_yet_valid" // in force from a later day
	OutcomeSuspended   Outcome = "suspended"
	OutcomeDisputed    Outcome = "disputed" // reserved: no license can be disputed yet
	OutcomeUnavailable Outcome = "source_unavailable"
	OutcomeRefused     Outcome = "refused" // by the holder
	OutcomeGranted     Outcome = "granted"

	// Outcomes of what somebody else must agree to, or somebody else act for.
	OutcomeSpouse         Outcome = "spouse_must_agree"         // the spouse hasn't entrusted the person with the item
	OutcomePrincipal      Outcome = "principal_must_agree"      // the child acted for is 14 or older
	OutcomeRepresentative Outcome = "representative_must_agree" // the license is the legal representative's, who isn't the one who acts
	OutcomeOutside        Outcome = "outside_representation"    // the representation doesn't cover these license types
)

// Offer is what the holder is shown before agreeing.
type Offer struct {
	Item      catalog.ServiceItem
	Materials []OfferedMaterial
	Proving   *Proving // the license by which the subject acts for another; nil: none
	Hash      [32]byte // SM3 of all that is shown, license versions included: consent is bound to it
}

// OfferedMaterial is one material, as far as it was asked for, with the
// licenses that can serve.
type OfferedMaterial struct {
	Material catalog.Material
	Outcome  Outcome
	Licenses []OfferedLicense // none unless found or choice
	More     bool             // for choice: there are more, which the holder can look for
	Find     string           // what was looked for; empty: nothing, and the newest are offered
	Dated                     // for the outcomes ended, expired and not_yet_valid
}

// Dated says more about an outcome: how the license ended, and the first day on which it is no longer, or will
// be, in force.
type Dated struct {
	EndingKind license.EndingKind `json:"ending_kind,omitempty"` // for ended
	// From is the first day on which the license is no longer in force (ended,
	// expired), or is (not_yet_valid).
	From party.Date `json:"from,omitzero"`
}

// OfferedLicense is a license that can serve, opened for its holder to see.
type OfferedLicense struct {
	license.License
	Fields    []string // parts that are asked for, and that it has
	Sensitive []string // those of them that the holder must agree to separately
	// Withheld are parts of holders, such as holders/1/code, that are not released with them: another person's, who
	// didn't agree.
	Withheld []string
	// Masked are the parts of holders that are nobody's business who agrees: they are shown masked, or not at all, also
	// where the law releases them, and where the holders aren't asked for.
	Masked []string
	// HeldBy is the code among the released holders that the party has whose license it is: one person has several
	// codes. Nil if the holders aren't released, or it is closed.
	HeldBy *HolderCode
	// Closed says that the license is of somebody else who didn't agree, and is released by the item's legal basis
	// alone: what it says isn't shown, and isn't here.
	Closed bool
}

// HolderCode is a code under which a license is held.
type HolderCode struct {
	CodeType party.CodeType `json:"code_type"`
	Code     string         `json:"code"`
}

// heldBy returns the code, of one of the codes, under which somebody holds a license in a role, whichever that is if
// it is empty; nil for none.
func heldBy(hs []credential.Holder, role string, codes []party.Code) *HolderCode {
	for _, h := range hs {
		if (role == "" || h.Role == role) && slices.Contains(codes, party.Code{Type: h.CodeType, Value: h.Code}) {
			return &HolderCode{h.CodeType, h.Code}
		}
	}
	return nil
}

// ChosenLicense is one license in a consent, and the parts of it that may be read.
type ChosenLicense struct {
	Material string   `json:"material"`
	License  audit.ID `json:"license"`
	Version  int      `json:"version"`
	Fields   []string `json:"fields"`
	Withheld []string `json:"withheld,omitempty"` // parts below holders that may not be read, such as holders/1/code
	// HeldBy is that of the OfferedLicense, if the holders may be read.
	HeldBy *HolderCode `json:"held_by,omitempty"`
}

// Choose checks what the holder chose against what was offered, and says what became of each material. For each
// material at most one license can be chosen.
func (o *Offer) Choose(chosen []ChosenLicense) ([]ChosenLicense, map[string]Outcome, error) {
	outcomes := map[string]Outcome{}
	for _, m := range o.Materials {
		outcomes[m.Material.ID] = m.Outcome
		if len(m.Licenses) > 0 || m.Outcome == OutcomeChoice {
			outcomes[m.Material.ID] = OutcomeRefused
		}
	}
	out := make([]ChosenLicense, 0, len(o.Materials))
	for _, c := range chosen {
		offered := o.License(c)
		if offered == nil {
			return nil, nil, refusal.Invalid("choice_not_offered", "A license was chosen that is not among those shown for the material.")
		}
		if outcomes[c.Material] == OutcomeGranted {
			return nil, nil, refusal.Invalid("choice_twice", "For each material one license can be chosen.")
		}
		for i, part := range c.Fields {
			if !slices.Contains(offered.Fields, part) || slices.Contains(c.Fields[:i], part) {
				return nil, nil, refusal.Invalid("field_not_offered", "A part was chosen that is not among those shown for the license.")
			}
		}
		outcomes[c.Material] = OutcomeGranted
		c.Fields, c.Withheld, c.HeldBy = append([]string{}, c.Fields...), nil, nil
		if slices.Contains(c.Fields, catalog.PartHolders) {
			c.Withheld, c.HeldBy = slices.Clone(offered.Withheld), offered.HeldBy
		}
		out = append(out, c)
	}
	return out, outcomes, nil
}

// Dated returns what else is known about outcomes, by material; nil for nothing.
func (o *Offer) Dated() (all map[string]Dated) {
	for _, m := range o.Materials {
		if m.Dated != (Dated{}) {
			if all == nil {
				all = map[string]Dated{}
			}
			all[m.Material.ID] = m.Dated
		}
	}
	return all
}

// License returns the license that was offered for the material, in that
// version, or nil.
func (o *Offer) License(c ChosenLicense) *OfferedLicense {
	for i := range o.Materials {
		if o.Materials[i].Material.ID != c.Material {
			continue
		}
		for j := range o.Materials[i].Licenses {
			l := &o.Materials[i].Licenses[j]
			if l.ID == c.License && l.Version.Version == c.Version {
				return l
			}
		}
	}
	return nil
}
