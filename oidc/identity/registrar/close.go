package registrar

import (
	"context"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Reasons of closing and opening again.
const (
	ReasonKind    identity.Reason = "kind_invalid"    // it is neither closed nor deceased
	ReasonOpen    identity.Reason = "person_open"     // the account isn't closed
	ReasonNotYour identity.Reason = "operator_needed" // operators alone do that
	ReasonMerged  identity.Reason = "person_merged"   // the account was merged with another one
)

// Close closes somebody's account 注销, because they asked for it or have died, and says since when and on
// what that rests. What they logged in with is deleted; their numbers find them as before, and make nobody
// another account. *identity.Error: person_unknown, revision_mismatch, person_closed, kind_invalid,
// date_invalid, evidence_invalid, level_too_high, source_missing.
func (s *Service) Close(ctx context.Context, c Caller, to Target, of identity.Closing) (identity.Someone, error) {
	if of.Kind != identity.ClosedDown && of.Kind != identity.Deceased {
		return identity.Someone{}, &identity.Error{Reason: ReasonKind, Detail: "an account is closed or deceased"}
	}
	if of.On.IsZero() || of.On.After(party.DateOf(time.Now())) {
		return identity.Someone{}, &identity.Error{Reason: ReasonDates, Detail: "the day is missing, or lies in the future"}
	}
	var err error
	if of.Evidence, err = evidence(of.Evidence); err != nil {
		return identity.Someone{}, err
	}
	return s.change(ctx, c, to, journal.ActionPersonClose, func(who *identity.Someone) (bool, error) {
		if err := s.within(ctx, c, who, who.Account.Proofing.Level); err != nil {
			return false, err
		}
		of.Source = saying(c, *who)
		who.Account.Close(of)
		return false, nil
	})
}

// Reopen opens an account again that was closed by mistake. Its owner needs a new password, and their
// phone. Operators alone do this. *identity.Error: person_unknown, person_open, person_merged, operator_needed.
func (s *Service) Reopen(ctx context.Context, c Caller, to Target) (identity.Someone, error) {
	if !c.Operator {
		return identity.Someone{}, &identity.Error{Reason: ReasonNotYour, Detail: "an operator opens accounts again"}
	}
	return s.change(ctx, c, to, journal.ActionPersonReopen, func(who *identity.Someone) (bool, error) {
		switch who.Account.Closed.Kind {
		case identity.Merged:
			return false, &identity.Error{Reason: ReasonMerged, Detail: "the account was merged with another one, which has the numbers: that can't be undone"}
		case "":
			return false, &identity.Error{Reason: ReasonOpen, Detail: "the account isn't closed"}
		}
		who.Account.Reopen()
		return false, nil
	})
}
