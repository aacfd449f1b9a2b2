package scan

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/signing/journal"
)

// Question is what a phone asks its person about a code.
type Question struct {
	Wish
	Digits    string // the computer shows them as well
	Address   string // the computer's
	UserAgent string // what its browser claims to be
	Network   string // what the operator calls the computer's network; empty: nothing
	Near      bool   // the phone is in the same network
	Confirmed bool   // this person has confirmed it
	Left      time.Duration
}

// Needs returns how strong the login of somebody must be who confirms, within what they can
// reach at all.
func (q *Question) Needs(who oidc.Session) factor.Assurance {
	return max(1, min(q.Strength, who.Reach))
}

// Look returns what a code asks of somebody, without taking it up for them. ErrGone also if
// somebody else's phone has read it.
func (s *Service) Look(ctx context.Context, b oidc.Browser, who oidc.Session, code oidc.Secret) (Question, error) {
	k, _, err := s.load(ctx, code)
	if err != nil {
		return Question{}, err
	}
	if k.Account != "" && k.Account != who.Account {
		return Question{}, ErrGone
	}
	return s.question(&k, b), nil
}

// Read takes a code up for somebody whose phone has read it: from now on nobody else can, and the
// computer shows whose phone it is. ErrGone as of Look. *identity.Error: too_many_tries, unavailable.
func (s *Service) Read(ctx context.Context, b oidc.Browser, who oidc.Session, code oidc.Secret) (Question, error) {
	k, err := s.change(ctx, code, func(k *kept) error {
		switch k.Account {
		case who.Account:
			return nil
		case "":
			k.Account, k.Name = who.Account, masked(who)
			return s.count(ctx, limitSeen, who.Account)
		}
		return ErrGone
	})
	if err != nil {
		return Question{}, err
	}
	return s.question(&k, b), nil
}

func (s *Service) question(k *kept, b oidc.Browser) Question {
	from := parse(k.Address)
	return Question{
		Wish: k.Wish, Digits: k.Digits, Address: k.Address, UserAgent: k.UserAgent, Network: s.c.Networks.Name(from),
		Near: s.c.Networks.Same(from, b.Address), Confirmed: k.Session != "", Left: max(0, time.Until(k.Began.Add(CodeLife))),
	}
}

// Confirm lets the computer log in as somebody who has read its code. present says that they
// sit at that computer: without it the code must be of their own network, or ErrAbsent. ErrGone
// also if their login is too old or not strong enough; a page asks for another first. Of all
// decisions about a code one counts; the same one by the same session again is no error.
func (s *Service) Confirm(ctx context.Context, b oidc.Browser, who oidc.Session, code oidc.Secret, present bool) error {
	k, _, err := s.load(ctx, code)
	switch {
	case err != nil:
		return err
	case k.Account != who.Account || who.Relayed || who.Proved.Before(k.Since):
		return ErrGone
	case k.Session == who.ID:
		return nil // the form was sent twice
	case k.Session != "":
		return ErrGone
	}
	q := s.question(&k, b)
	if who.Strength < q.Needs(who) {
		return ErrGone
	}
	if !q.Near && !present {
		return ErrAbsent
	}
	return s.decide(ctx, b, who, code, journal.ActionScanConfirm)
}

// Refuse ends a code that somebody has read, for good.
func (s *Service) Refuse(ctx context.Context, b oidc.Browser, who oidc.Session, code oidc.Secret) error {
	k, _, err := s.load(ctx, code)
	if err != nil {
		return err
	}
	if k.Account != who.Account || k.Session != "" {
		return ErrGone
	}
	return s.decide(ctx, b, who, code, journal.ActionScanRefuse)
}

// decide spends the one decision about a code, and stores it.
func (s *Service) decide(ctx context.Context, b oidc.Browser, who oidc.Session, code oidc.Secret, action journal.Action) error {
	if err := s.spend(ctx, code, "decided"); err != nil {
		return err
	}
	if err := s.c.Journal.Record(ctx, identity.Did(who.Account, action, who.Account, b.RequestID, journal.ResultOK)); err != nil {
		return err
	}
	_, err := s.change(ctx, code, func(k *kept) error {
		if k.Account != who.Account || !k.Decided.IsZero() {
			return ErrGone
		}
		k.Decided = time.Now().UTC()
		if action == journal.ActionScanConfirm {
			k.Session = who.ID
		}
		return nil
	})
	if errors.Is(err, ErrGone) && action == journal.ActionScanRefuse {
		return nil // it expired just now, or was lost: that is as good
	}
	return err
}
