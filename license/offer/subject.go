package offer

import (
	"errors"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
)

// Subject is who agrees, as the provider knows them: opaque ids, and the codes
// by which their licenses are found.
type Subject struct {
	Party string       // opaque party id
	Codes []party.Code // all codes, former ones too
	// Acting is the organization acted for, if any, and ActingCodes are its codes; Representation says by what
	// right.
	Acting         string
	ActingCodes    []party.Code
	Representation string
	// Kin are the codes of spouse, children and the acting organization's legal
	// representative, as far as they are known and the provider lets this
	// subject agree for them.
	Kin map[catalog.Relation][]party.Code
	// Assurance of this login, 0 to 3. Below 2 no license is seen or released.
	Assurance int
}

// Owner returns the id of the party that a grant belongs to: the organization acted for, or else the person.
func (s *Subject) Owner() string {
	if s.Acting != "" {
		return s.Acting
	}
	return s.Party
}

// CodesOf returns the codes of the party that a relation names.
func (s *Subject) CodesOf(r catalog.Relation) []party.Code {
	switch {
	case r != catalog.RelationApplicant:
		return s.Kin[r]
	case s.Acting != "":
		return s.ActingCodes
	}
	return s.Codes
}

// leastAssurance is the assurance of a login below which no license is seen or
// released.
const leastAssurance = 2

// maySee checks what a subject needs to see licenses at all.
func (s *Subject) maySee() error {
	if s.Owner() == "" {
		return errors.New("showing licenses: the subject has no party id")
	}
	if s.Assurance < leastAssurance {
		return errAssurance()
	}
	return nil
}

func errAssurance() error {
	return refusal.Forbidden("assurance_too_low", "Licenses are seen and released only after a login with assurance 2 or more.")
}
