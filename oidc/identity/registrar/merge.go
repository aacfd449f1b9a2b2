package registrar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/signing/journal"
)

// Reasons of mergers.
const (
	ReasonOne        identity.Reason = "person_same"      // both numbers are one person's
	ReasonContradict identity.Reason = "codes_contradict" // both hold a number of which a person has one
)

// Merger says that two people are one.
type Merger struct {
	Keep     party.Code // leads to the one who stays
	Merge    party.Code // to the one who has the same numbers from then on
	Evidence string
	Language string // of the messages
}

// Pair is two people who are to be one.
type Pair struct {
	Kept, Merged identity.Someone
	Done         bool // they are one already, by an earlier merger: both are the kept one
}

// Merge makes two people one. The kept one gets the other's numbers, with their dates and sources, and the names as
// former ones; the other's account is closed, and what was logged in to it ends. Accounts never go over to another
// party: departments know people by it. Sent again, it changes nothing and returns the kept one. The phones of both are told.
//
// *identity.Error: code_invalid, person_unknown (either of the two, or of another source), person_same, person_closed,
// codes_contradict, level_too_high, disabled_by_operator, operator_needed, too_many, evidence_invalid, revision_mismatch.
func (s *Service) Merge(ctx context.Context, c Caller, m Merger) (identity.Someone, error) {
	on, err := evidence(m.Evidence)
	if err != nil {
		return identity.Someone{}, err
	}
	c.RequestID = cmp.Or(c.RequestID, identity.NewID()) // the two events are found by it
	for try := 1; ; try++ {
		both, err := s.Pair(ctx, c, m)
		if err != nil || both.Done {
			return both.Kept, err
		}
		err = s.merge(ctx, c, both, on)
		switch {
		case errors.Is(err, identity.ErrConflict) && try < changeTries:
		case errors.Is(err, identity.ErrConflict):
			return identity.Someone{}, changed(err)
		case err != nil:
			return identity.Someone{}, err
		default:
			for _, who := range []identity.Someone{both.Kept, both.Merged} {
				s.c.Notices.Tell(ctx, who.Account, notice.PeopleMerged, "", m.Language, c.RequestID)
			}
			return s.roster.Someone(ctx, both.Kept.Account.ID)
		}
	}
}

// Pair returns the two people of a merger, once it is clear that they may be merged. It changes nothing.
func (s *Service) Pair(ctx context.Context, c Caller, m Merger) (both Pair, err error) {
	if m.Keep, err = personCode(m.Keep); err != nil {
		return Pair{}, err
	}
	if m.Merge, err = personCode(m.Merge); err != nil {
		return Pair{}, err
	}
	unknowns := 0
	for _, one := range []struct {
		code party.Code
		who  *identity.Someone
	}{{m.Keep, &both.Kept}, {m.Merge, &both.Merged}} {
		*one.who, err = s.roster.FindSomeone(ctx, one.code)
		if err == nil && !c.owns(*one.who) || errors.Is(err, identity.ErrNotFound) {
			unknowns++ // which of the two it is, nobody learns
		} else if err != nil {
			return Pair{}, fmt.Errorf("finding a person: %w", err)
		}
	}
	if unknowns > 0 {
		return Pair{}, unknown()
	}
	if both.Kept.Account.ID == both.Merged.Account.ID {
		if both.Done = mergedBefore(both.Kept.Party, m); !both.Done {
			return Pair{}, &identity.Error{Reason: ReasonOne, Detail: "both numbers are one person's already"}
		}
		return both, nil
	}
	return both, s.mayMerge(ctx, c, both)
}

// mergedBefore reports whether the number of somebody who was merged came to them by that.
func mergedBefore(p identity.Party, m Merger) bool {
	from := func(of party.Code) string {
		i := slices.IndexFunc(p.Codes, func(c identity.PartyCode) bool { return c.Code == of })
		if i < 0 {
			return ""
		}
		return p.Codes[i].Merged
	}
	return from(m.Merge) != "" && from(m.Merge) != from(m.Keep)
}

// single are the types of numbers of which a person has one at a time.
var single = []party.CodeType{party.Citizen, party.HongKongMacaoPermit, party.TaiwanPermit}

// mayMerge returns why two people can't be merged by the caller.
func (s *Service) mayMerge(ctx context.Context, c Caller, both Pair) error {
	for _, who := range []*identity.Someone{&both.Kept, &both.Merged} {
		switch {
		case who.Party.Kind != identity.Person:
			return &identity.Error{Reason: ReasonCode, Detail: "an organization is merged with nobody"}
		case who.Account.Closed.Kind != "":
			return &identity.Error{Reason: identity.ReasonClosed, Detail: "the account of one of the two was closed: an operator can open it again"}
		case !c.Operator && who.Account.Disabled && who.Account.DisabledBy != who.Account.Origin():
			return &identity.Error{Reason: ReasonOperator, Detail: "an operator disabled the account of one of the two, and merges them"}
		}
		if err := s.within(ctx, c, who, who.Account.Proofing.Level); err != nil { // or a high level would go over to another's numbers
			return err
		}
	}
	kept, merged, today := both.Kept.Party, both.Merged.Party, party.DateOf(time.Now())
	for _, a := range kept.Codes {
		for _, b := range merged.Codes {
			if a.Type != b.Type || !slices.Contains(single, a.Type) {
				continue
			}
			if a.Held(today) && b.Held(today) {
				return &identity.Error{Reason: ReasonContradict, Detail: "both hold a number of which a person has one: end the wrong one first, if they are one person"}
			}
			if !c.Operator && a.Type == party.Citizen {
				return &identity.Error{Reason: ReasonNotYour, Detail: "both have or had a citizen's number: an operator merges them"}
			}
		}
	}
	if len(kept.Codes)+len(merged.Codes) > most || len(kept.FormerNames)+len(merged.FormerNames)+1 > most {
		return tooMany()
	}
	return plain(c, both)
}

// plain returns why two people aren't as surely one that a client may merge them: somebody uses the other's account, the
// names differ, or who has a citizen's number would get another one's account.
func plain(c Caller, both Pair) error {
	kept, merged, a := both.Kept.Party, both.Merged.Party, &both.Merged.Account
	citizen := func(code identity.PartyCode) bool { return code.Type == party.Citizen }
	why := ""
	switch {
	case c.Operator:
		return nil
	case len(a.Password.Sum) > 0 || len(a.Authenticators) > 0 || !a.PhoneProved.IsZero():
		why = "somebody has used the account that would be closed: an operator merges them"
	case !kept.Named(merged.Name) && !merged.Named(kept.Name):
		why = "the names differ: an operator merges them"
	case slices.ContainsFunc(merged.Codes, citizen) && !slices.ContainsFunc(kept.Codes, citizen):
		why = "who has a citizen's number is the one to keep: an operator merges them otherwise"
	default:
		return nil
	}
	return &identity.Error{Reason: ReasonNotYour, Detail: why}
}

// merge stores a merger.
func (s *Service) merge(ctx context.Context, c Caller, both Pair, on string) error {
	kept, merged := both.Kept, both.Merged
	p := &kept.Party
	p.Codes = slices.Clone(p.Codes)
	for _, code := range merged.Party.Codes {
		code.Merged, code.Evidence = merged.Party.ID, cmp.Or(code.Evidence, on)
		p.Codes = append(p.Codes, code)
	}
	for _, name := range append([]string{merged.Party.Name}, merged.Party.FormerNames...) {
		if name != p.Name && !slices.Contains(p.FormerNames, name) {
			p.FormerNames = append(slices.Clone(p.FormerNames), name)
		}
	}
	merged.Party.Codes, merged.Party.Merged = nil, p.ID
	kept.Account.Source, merged.Account.Source = kept.Account.Origin(), merged.Account.Origin()
	merged.Account.Close(identity.Closing{Kind: identity.Merged, On: party.DateOf(time.Now()), Evidence: on, Source: saying(c, merged)})
	var m Merge
	var err error
	if m.Kept, err = s.roster.Renew(ctx, kept, true); err != nil {
		return err
	}
	if m.Merged, err = s.roster.Renew(ctx, merged, true); err != nil {
		return err
	}
	for _, did := range []journal.Fact{c.did(journal.ActionPersonMerge, kept.Account.ID), c.did(journal.ActionPersonMerged, merged.Account.ID)} {
		e, err := s.c.Journal.Event(ctx, did)
		if err != nil {
			return err
		}
		m.Events = append(m.Events, e)
	}
	err = s.c.Store.MergePeople(ctx, m)
	if err = s.roster.Wrote(s.roster.Wrote(err, m.Kept), m.Merged); err != nil {
		return fmt.Errorf("merging two people: %w", err)
	}
	return nil
}
