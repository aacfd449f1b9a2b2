package entry

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/phonecode"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
)

// visitor is somebody who has a phone, and says who they are.
type visitor struct {
	Person
	attempt  phonecode.Attempt
	phone    phonecode.Proved
	owner    string            // the account's id, if somebody raises their own; else empty
	action   journal.Action    // of events of refusals
	proofing identity.Proofing // what an adapter said; zero: nobody was asked
}

// The limits of answers: each costs the operator a question to the adapter, and tells whether a name and a
// number belong together.
const day = 24 * time.Hour

var (
	ofToken   = tries.Limit{Name: "entry", Most: 5, Window: 15 * time.Minute}
	ofAccount = tries.Limit{Name: "raise-account", Most: 5, Window: day}
	ofPerson  = tries.Limit{Name: "raise-person", Most: 20, Window: day}
	ofPhone   = tries.Limit{Name: "entry-phone", Most: 10, Window: day}
	ofAddress = tries.Limit{Name: "entry-address", Most: 300, Window: day}
	ofNetwork = tries.Limit{Name: "entry-network", Most: 900, Window: day}
)

// visitor reads what somebody says, and counts it before anything is compared. owner is the account's id, if
// somebody raises their own.
func (s *Service) visitor(ctx context.Context, a phonecode.Attempt, token string, who Person, owner string) (*visitor, error) {
	phone, err := s.c.Phones.Proved(ctx, a, token)
	if err != nil {
		return nil, err
	}
	v := &visitor{Person: who, attempt: a, phone: phone, owner: owner, action: journal.ActionEnter}
	if owner != "" {
		v.action = journal.ActionRaise
	}
	r := identity.Registration{Name: who.Name, Code: who.Code, NoCode: !s.Proofs(), Proofing: &identity.Proofing{}}
	if r.NoCode {
		r.Code = party.Code{}
	}
	if r, err = r.Checked(); err != nil {
		return nil, err
	}
	v.Name, v.Code = r.Name, r.Code
	return v, s.count(ctx, v)
}

// count counts an answer, by all that may be guessed with it.
func (s *Service) count(ctx context.Context, v *visitor) error {
	now, person := time.Now(), ""
	if v.owner != "" { // others' answers don't keep anybody from registering
		person = string(v.Code.Type) + "." + v.Code.Value
	}
	for _, of := range []struct {
		tries.Limit
		name string
	}{
		{ofToken, v.phone.ID}, {ofPhone, v.phone.Phone}, {ofAddress, tries.AddressOf(v.attempt.Address)}, {ofNetwork, tries.NetworkOf(v.attempt.Address)},
		{ofAccount, v.owner}, {ofPerson, person},
	} {
		if of.name == "" {
			continue
		}
		c, err := s.c.Tries.Count(ctx, of.Limit, now, of.name)
		if err != nil {
			return err
		}
		if c.Over() {
			return tries.TooMany(c)
		}
	}
	return nil
}

// confirm asks the adapter.
func (s *Service) confirm(ctx context.Context, v *visitor) error {
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	p, err := identity.Ask(ctx, s.c.Proofer, identity.Claim{Name: v.Name, Code: v.Code, Phone: v.phone.Phone})
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return s.refuse(ctx, v, identity.Account{}, e)
	}
	if err != nil {
		what := "the proofing adapter doesn't answer"
		if _, wrong := errors.AsType[interface {
			error
			AnswersWrongly()
		}](err); wrong {
			what = "the proofing adapter answers wrongly"
		}
		s.c.Log.WarnContext(ctx, what, "error", err)
		return &identity.Error{Reason: ReasonProofingUnavailable, Detail: "Who you are can't be confirmed just now. Try again in a few minutes.", Err: err, Retry: time.Minute}
	}
	if !p.Phone { // whoever knows somebody's name and number isn't them
		p.Level = min(p.Level, bindsCode-1)
	}
	v.proofing = p
	return nil
}

// ReasonProofingUnavailable says that the adapter doesn't answer, or wrongly.
const ReasonProofingUnavailable identity.Reason = "proofing_unavailable"

// accountOf returns the account of whom the adapter confirmed, or ErrNotFound. A number that they held once
// may be somebody else's today. *Error: name_differs.
func (s *Service) accountOf(ctx context.Context, v *visitor) (identity.Account, error) {
	who, err := s.people.FindSomeone(ctx, v.Code)
	switch today := party.DateOf(time.Now()); {
	case err != nil:
		return identity.Account{}, err
	case !slices.ContainsFunc(who.Party.Codes, func(c identity.PartyCode) bool { return c.Code == v.Code && c.Held(today) }):
		return identity.Account{}, identity.ErrNotFound
	case !who.Party.Named(v.Name):
		return identity.Account{}, &identity.Error{Reason: "name_differs"}
	}
	return who.Account, nil
}

// Why somebody isn't let in, for the event: the page says the same of most.
var (
	errDisabled      = &identity.Error{Reason: "disabled"}
	errTooLow        = &identity.Error{Reason: "proofing_too_low"}
	errOtherPhone    = &identity.Error{Reason: "phone_not_confirmed"}
	errLeftPhone     = &identity.Error{Reason: "phone_left"} // the account had it, and lost it lately
	errAccountExists = &identity.Error{Reason: identity.ReasonAccountExists, Detail: "You have an account. Log in with a code that is sent to your phone."}
	errPhoneKept     = &identity.Error{Reason: "phone_kept", Detail: "The phone is that of somebody else's account. If its number became yours lately, go to a counter with your identity document."}
)

// refuse records why somebody isn't let in, and returns what they are told.
func (s *Service) refuse(ctx context.Context, v *visitor, account identity.Account, err error) error {
	e, ok := errors.AsType[*identity.Error](err)
	if !ok && !errors.Is(err, identity.ErrNotFound) {
		return err
	}
	told, reason := notConfirmed("no_account"), "no_account"
	if ok {
		told, reason = notConfirmed(e.Reason), string(e.Reason)
	}
	if e == errAccountExists || e == errPhoneKept {
		told = e
	}
	s.c.Journal.Noted(ctx, identity.Did(v.owner, v.action, cmp.Or(account.ID, v.owner), v.attempt.RequestID, reason))
	return told
}

// notConfirmed is what everybody is told who isn't let in, for whatever reason.
func notConfirmed(why identity.Reason) *identity.Error {
	return &identity.Error{Reason: ReasonNotConfirmed, Detail: "Who you are could not be confirmed online. Go to a counter with your identity document.", Err: errors.New(string(why))}
}

// ReasonNotConfirmed says that nobody is let in with what was said.
const ReasonNotConfirmed identity.Reason = "not_confirmed"
