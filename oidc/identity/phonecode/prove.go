package phonecode

import (
	"context"
	"time"

	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
)

// ofProveGuesses is how many wrong codes a day are tried for a phone, beside those of logins. There is no question to which
// a right code could lead instead, so it is by day: nobody keeps somebody out for long.
var ofProveGuesses = tries.Limit{Name: "prove-guesses", Most: 15, Window: day}

// Proved says that somebody has a phone: the code that was sent to it was right. Whose it is, it doesn't say.
type Proved struct {
	ID    string // random: what is tried next is counted under it
	Phone string // E.164
}

// Prove uses up a code that isn't for a login, but of the attempt's Kind, and returns a token for the next
// form: it is good for ten minutes, for the same attempt. It says nothing of whether the phone has an
// account. After 15 wrong codes for the phone in a day, from devices that its account doesn't know, a right one
// isn't enough, until the day is over. *Error: phone_invalid, too_many_tries (Retry is set), and those of [onetime.Codes].SpendTwice.
func (s *Service) Prove(ctx context.Context, a Attempt, code string) (token string, err error) {
	q, err := s.ask(ctx, a)
	if err != nil {
		return "", err
	}
	spent, over, err := s.spend(ctx, &q, ofProveGuesses, code)
	if err == nil && over != nil {
		err = tries.TooMany(*over)
	}
	s.c.Journal.Noted(ctx, q.fact(journal.ActionPhoneProve, err))
	if err != nil {
		return "", err
	}
	return s.seal(ctx, &q, spent)
}

// Proved reads a token of Prove. *Error: code_expired.
func (s *Service) Proved(ctx context.Context, a Attempt, token string) (Proved, error) {
	p, err := s.open(ctx, &a, token)
	return Proved{p.ID, p.Phone}, err
}

// Once uses a token up: once, and within a minute once more, because a form may be sent twice. *Error: code_expired, unavailable.
func (s *Service) Once(ctx context.Context, p Proved) error {
	return s.useUp(ctx, &proved{ID: p.ID, Phone: p.Phone, Until: time.Now()})
}
