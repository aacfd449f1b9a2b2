package registrar

import (
	"context"
	"errors"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Reasons of changes to names and codes.
const (
	ReasonName    identity.Reason = "name_invalid" // it is no name
	ReasonSame    identity.Reason = "name_same"    // the person has that name
	ReasonMany    identity.Reason = "too_many"     // the person has had 50 names or codes
	ReasonHeld    identity.Reason = "code_held"    // the person has that code already, or had it
	ReasonTaken   identity.Reason = "code_taken"   // somebody else has it, or logs in with that number
	ReasonForeign identity.Reason = "code_unknown" // the person doesn't have that code
	ReasonEnded   identity.Reason = "code_ended"   // they don't have it any more
	ReasonLast    identity.Reason = "code_last"    // it is the only one that they have
	ReasonDates   identity.Reason = "date_invalid" // the days contradict each other, or lie in the future
)

// most is how many former names, and how many codes, are kept of somebody.
const most = 50

// Rename gives somebody another name, and says on what that rests. The name before stays as a former
// one. *identity.Error: person_unknown, revision_mismatch, name_invalid, name_same, too_many,
// evidence_invalid, level_too_high for somebody whom the client couldn't have proofed so well.
func (s *Service) Rename(ctx context.Context, c Caller, to Target, name, on string) (identity.Someone, error) {
	name, err := party.ParseName(name)
	if err != nil {
		return identity.Someone{}, &identity.Error{Reason: ReasonName, Detail: "a name has 1 to 200 visible characters", Err: err}
	}
	if on, err = evidence(on); err != nil {
		return identity.Someone{}, err
	}
	return s.change(ctx, c, to, journal.ActionPersonRename, func(who *identity.Someone) (bool, error) {
		if err := s.within(ctx, c, who, who.Account.Proofing.Level); err != nil { // or a high level would go over to another name
			return false, err
		}
		p := &who.Party
		if p.Name == name {
			return false, &identity.Error{Reason: ReasonSame, Detail: "the person has that name"}
		}
		former := slices.DeleteFunc(slices.Clone(p.FormerNames), func(n string) bool { return n == p.Name || n == name })
		if len(former) >= most {
			return false, tooMany()
		}
		p.FormerNames = slices.Insert(former, 0, p.Name)
		p.Name, p.Renamed = name, on
		return true, nil
	})
}

func tooMany() error {
	return &identity.Error{Reason: ReasonMany, Detail: "the person has had 50 names or numbers: ask the operator"}
}

// NewCode is a code that somebody holds from a day on.
type NewCode struct {
	Code     party.Code
	From     party.Date // zero: not known; at the latest today
	Evidence string
	First    bool // it is the one that counts from now on
}

// AddCode adds a code to somebody. It may be one that nobody has had: a code never leads to two people.
// Licenses are found by it from then on. So a client adds no second citizen's number: operators do, when
// one was corrected. *identity.Error: person_unknown, revision_mismatch, code_invalid, date_invalid,
// evidence_invalid, too_many, code_held, code_taken, operator_needed, level_too_high.
func (s *Service) AddCode(ctx context.Context, c Caller, to Target, n NewCode) (identity.Someone, error) {
	code, err := personCode(n.Code)
	if err != nil {
		return identity.Someone{}, err
	}
	today := party.DateOf(time.Now())
	if n.From.After(today) {
		return identity.Someone{}, &identity.Error{Reason: ReasonDates, Detail: "the first day lies in the future: add the number on that day"}
	}
	if born, ok := code.BirthDate(); ok && born.After(today) {
		return identity.Someone{}, &identity.Error{Reason: ReasonCode, Detail: "the birth date in the number is in the future"}
	}
	on, err := evidence(n.Evidence)
	if err != nil {
		return identity.Someone{}, err
	}
	who, err := s.change(ctx, c, to, journal.ActionPersonCodeAdd, func(who *identity.Someone) (bool, error) {
		if err := s.within(ctx, c, who, who.Account.Proofing.Level); err != nil {
			return false, err
		}
		p := &who.Party
		switch {
		case slices.Contains(p.AllCodes(), code):
			return false, &identity.Error{Reason: ReasonHeld, Detail: "the person has or had that number"}
		case len(p.Codes) >= most:
			return false, tooMany()
		case !c.Operator && code.Type == party.Citizen && slices.ContainsFunc(p.Codes, func(had identity.PartyCode) bool { return had.Type == party.Citizen }):
			return false, &identity.Error{Reason: ReasonNotYour, Detail: "the person has or had a citizen's number: an operator adds another"}
		}
		if err := s.roster.CheckFree(ctx, *who, code); err != nil {
			return false, err
		}
		at := len(p.Codes)
		if n.First {
			at = 0
		}
		p.Codes = slices.Insert(slices.Clone(p.Codes), at, identity.PartyCode{Code: code, From: n.From, Source: saying(c, *who), Evidence: on})
		return true, nil
	})
	if errors.Is(err, identity.ErrExists) {
		return who, &identity.Error{Reason: ReasonTaken, Detail: "somebody else has that number, or logs in with it", Err: err}
	}
	return who, err
}

// saying is who says something of somebody: their source, or an operator.
func saying(c Caller, who identity.Someone) string {
	if c.Operator {
		return c.Actor
	}
	return who.Account.Origin()
}

// EndCode says that somebody held a code until a day, at the latest yesterday, and on what that rests.
// The code stays, and leads to the person; they don't log in with it any more. If it was the one that
// counts, the next one that they hold counts from now on. *identity.Error: person_unknown,
// revision_mismatch, code_invalid, code_unknown, code_ended, code_last, date_invalid,
// evidence_invalid, level_too_high.
func (s *Service) EndCode(ctx context.Context, c Caller, to Target, code party.Code, until party.Date, on string) (identity.Someone, error) {
	code, err := personCode(code)
	if err != nil {
		return identity.Someone{}, err
	}
	if on, err = evidence(on); err != nil {
		return identity.Someone{}, err
	}
	today := party.DateOf(time.Now())
	if until.IsZero() || !until.Before(today) {
		return identity.Someone{}, &identity.Error{Reason: ReasonDates, Detail: "the last day is yesterday at the latest"}
	}
	return s.change(ctx, c, to, journal.ActionPersonCodeEnd, func(who *identity.Someone) (bool, error) {
		if err := s.within(ctx, c, who, who.Account.Proofing.Level); err != nil {
			return false, err
		}
		codes := slices.Clone(who.Party.Codes)
		i := slices.IndexFunc(codes, func(p identity.PartyCode) bool { return p.Code == code })
		switch {
		case i < 0:
			return false, &identity.Error{Reason: ReasonForeign, Detail: "the person doesn't have that number"}
		case !codes[i].Until.IsZero():
			return false, &identity.Error{Reason: ReasonEnded, Detail: "the person doesn't have that number any more"}
		case until.Before(codes[i].From):
			return false, &identity.Error{Reason: ReasonDates, Detail: "the last day is before the first one"}
		}
		codes[i].Until, codes[i].Evidence = until, on
		next := slices.IndexFunc(codes, func(p identity.PartyCode) bool { return p.Held(today) })
		if next < 0 {
			return false, &identity.Error{Reason: ReasonLast, Detail: "it is the only number that the person has: add the new one first"}
		}
		counts := codes[next]
		who.Party.Codes = slices.Insert(slices.Delete(codes, next, next+1), 0, counts)
		return true, nil
	})
}
