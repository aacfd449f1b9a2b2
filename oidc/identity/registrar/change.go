package registrar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Reasons of changes.
const (
	ReasonChanged  identity.Reason = "revision_mismatch"    // the person was changed since the caller read them
	ReasonLevel    identity.Reason = "level_invalid"        // it is none of 1, 2 and 3
	ReasonTooHigh  identity.Reason = "level_too_high"       // for the source, or for the caller
	ReasonEvidence identity.Reason = "evidence_invalid"     // it is missing, or too long
	ReasonOperator identity.Reason = "disabled_by_operator" // one alone enables the account again
)

// Target is whom a change is of.
type Target struct {
	Account string
	// Revisions are those of the account that the caller may have read; the change is made if one of
	// them is the present one. Nil: whatever it is, as operators' commands have it.
	Revisions []int64
}

// changeTries is how often a change that goes for any revision is tried.
const changeTries = 5

// change applies do to somebody whom the caller may change, and stores the result with its event. do says
// whether it changed the party.
func (s *Service) change(ctx context.Context, c Caller, to Target, action journal.Action, do func(*identity.Someone) (party bool, err error)) (identity.Someone, error) {
	for try := 1; ; try++ {
		who, err := s.someone(ctx, c, to.Account)
		if err != nil {
			return identity.Someone{}, err
		}
		if to.Revisions != nil && !slices.Contains(to.Revisions, who.Account.Revision) {
			return identity.Someone{}, changed(nil)
		}
		who, err = s.store(ctx, c, who, action, do)
		switch {
		case errors.Is(err, identity.ErrConflict) && to.Revisions == nil && try < changeTries:
		case errors.Is(err, identity.ErrConflict):
			return identity.Someone{}, changed(err)
		default:
			return who, err
		}
	}
}

// store is one try of a change.
func (s *Service) store(ctx context.Context, c Caller, who identity.Someone, action journal.Action, do func(*identity.Someone) (bool, error)) (identity.Someone, error) {
	// What a change says of where somebody comes from outlives the proofing that said so at first.
	who.Account.Source = who.Account.Origin()
	if who.Account.Closed.Kind != "" && action != journal.ActionPersonReopen {
		return identity.Someone{}, &identity.Error{Reason: identity.ReasonClosed, Detail: "the account was closed: an operator can open it again"}
	}
	party, err := do(&who)
	if err != nil {
		return identity.Someone{}, err
	}
	n, err := s.roster.Renew(ctx, who, party)
	if err != nil {
		return identity.Someone{}, err
	}
	e, err := s.c.Journal.Event(ctx, c.did(action, who.Account.ID))
	if err != nil {
		return identity.Someone{}, err
	}
	if err := s.roster.Wrote(s.c.Store.ChangePerson(ctx, Change{n, e}), n); err != nil {
		return identity.Someone{}, fmt.Errorf("changing a person: %w", err)
	}
	return s.roster.Someone(ctx, who.Account.ID)
}

func changed(err error) error {
	return &identity.Error{Reason: ReasonChanged, Detail: "the person was changed since you read them: read them again", Err: err}
}

// maxEvidence is how long evidence may be, in characters.
const maxEvidence = 200

// evidence checks what a change rests on.
func evidence(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" || utf8.RuneCountInString(text) > maxEvidence || !utf8.ValidString(text) || !party.Visible(text) {
		return "", &identity.Error{Reason: ReasonEvidence, Detail: "say on what it rests, in 1 to 200 visible characters"}
	}
	return text, nil
}

// SetLevel changes how well somebody's identity is proofed, and says on what that rests. A client can't
// go above the highest level of the person's source, or its own, nor change somebody who is above it. *identity.Error: person_unknown,
// revision_mismatch, level_invalid, level_too_high, evidence_invalid, source_missing.
func (s *Service) SetLevel(ctx context.Context, c Caller, to Target, level int, on string) (identity.Someone, error) {
	if level < 1 || level > 3 {
		return identity.Someone{}, &identity.Error{Reason: ReasonLevel, Detail: "the level is 1, 2 or 3"}
	}
	on, err := evidence(on)
	if err != nil {
		return identity.Someone{}, err
	}
	return s.change(ctx, c, to, journal.ActionPersonLevel, func(who *identity.Someone) (bool, error) {
		proofing := identity.Proofing{Level: level, Method: identity.MethodCounter, Source: c.Actor, At: time.Now().UTC().Truncate(time.Second), Evidence: on}
		if !c.Operator { // nor does it lower whom somebody else raised above it
			if err := s.within(ctx, c, who, max(level, who.Account.Proofing.Level)); err != nil {
				return false, err
			}
			proofing.Method, proofing.Source = identity.MethodAuthority, who.Account.Origin()
		}
		who.Account.Proofing = proofing
		return false, nil
	})
}

// within returns an error if a level is above the highest that a client may give to somebody. Operators
// may give any. *identity.Error: level_too_high, source_missing.
func (s *Service) within(ctx context.Context, c Caller, who *identity.Someone, level int) error {
	if c.Operator {
		return nil
	}
	of, err := s.c.Intake.Source(ctx, who.Account.Origin())
	if errors.Is(err, identity.ErrNotFound) {
		return noSource()
	}
	if err == nil && level > min(of.Level, c.Level) {
		return &identity.Error{Reason: ReasonTooHigh, Detail: "the level is above the highest of the person's source, or of the client"}
	}
	return err
}

// Disable keeps somebody from logging in and ends their sessions, or undoes that. A client can't undo
// what an operator did. *identity.Error: person_unknown, revision_mismatch, level_too_high, source_missing, disabled_by_operator.
func (s *Service) Disable(ctx context.Context, c Caller, to Target, disabled bool) (identity.Someone, error) {
	action := journal.ActionAccountEnable
	if disabled {
		action = journal.ActionAccountDisable
	}
	return s.change(ctx, c, to, action, func(who *identity.Someone) (bool, error) {
		by := ""
		if err := s.within(ctx, c, who, who.Account.Proofing.Level); err != nil {
			return false, err
		}
		if !c.Operator {
			by = who.Account.Origin()
		}
		if !disabled && who.Account.Disabled && by != "" && who.Account.DisabledBy != by {
			return false, &identity.Error{Reason: ReasonOperator, Detail: "an operator disabled the account, and enables it again"}
		}
		who.Account.Disable(disabled, by)
		return false, nil
	})
}
