package identity

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/signing/journal"
)

// PhoneChange gives an account another phone, or takes the one that it has.
type PhoneChange struct {
	Account   string  // its id
	To        string  // as [ReadPhone] reads it; empty: the account has none from then on
	From      *string // the phone that the account has; nil: whatever. If it has another by now, nothing is done
	Waits     bool    // the phone waits even if it is the account's first; see [Account].PhoneWaits
	Present   bool    // it doesn't wait, nor does the one that the account has: the owner was seen
	Actor     string
	RequestID string
}

// PhoneWait is how long a new phone, or one with which the password was set, is no second factor
// beside the password: as long as its owner may take to find that a SIM card was swapped.
const PhoneWait = 24 * time.Hour

// ChangePhone gives an account another phone. Whatever was logged in to the account ends, unless it had that
// phone and its owner wasn't seen, and so does a ticket that somebody got by the former phone. The caller has checked that the phone is the person's, and tells both
// phones; former is the one that the account had. *Error: phone_invalid, phone_taken, phone_changed, person_closed. ErrNotFound.
func (s *Service) ChangePhone(ctx context.Context, c PhoneChange) (a Account, former string, err error) {
	if c.To != "" {
		if c.To, err = ReadPhone(c.To); err != nil {
			return Account{}, "", err
		}
	}
	err = s.c.Journal.Change(ctx, Did(c.Actor, journal.ActionPhoneChange, c.Account, c.RequestID, ""), func() (err error) {
		a, err = s.Change(ctx, c.Account, func(a *Account) error {
			switch former = a.Phone; {
			case a.Closed.Kind != "":
				return &Error{Reason: ReasonClosed, Detail: "the account was closed: open it again first"}
			case c.From != nil && *c.From != former:
				return &Error{Reason: ReasonPhoneChanged, Detail: "the account has another phone by now"}
			case former != c.To:
				a.movePhone(c.To, c.Waits, time.Now().UTC())
			}
			if c.Present { // who held the phone before may have logged in, or got a ticket
				a.PhoneWaits = time.Time{}
				if a.Setup.Phone {
					a.Setup = SetupTicket{}
				}
				a.Secure(time.Now())
			}
			return nil
		})
		if errors.Is(err, ErrExists) {
			return &Error{Reason: "phone_taken", Detail: "somebody else logs in with that phone: give another, or none", Err: err}
		}
		return err
	})
	return a, former, err
}

// movePhone gives the account another phone.
func (a *Account) movePhone(to string, waits bool, now time.Time) {
	if a.Phone != "" { // whoever talked somebody into the change doesn't log in with both at once
		waits = true
		a.PhoneLeft = FormerPhone{a.Phone, now}
	}
	if waits {
		a.PhoneWaits = now.Add(PhoneWait)
	}
	if a.Setup.Phone {
		a.Setup = SetupTicket{}
	}
	a.Phone, a.PhoneProved, a.PhoneSaid = to, time.Time{}, false
	a.Secure(now)
}

// FormerPhone is a phone that an account had.
type FormerPhone struct {
	Phone string    `json:"phone"` // E.164
	At    time.Time `json:"at"`    // when it was the account's last
}

// phoneKept is how long after it was proved, or the account was made, a phone is its owner's for sure: carriers give a
// number to somebody else no earlier than that after they took it back.
const phoneKept = 90 * 24 * time.Hour

// KeepsPhone reports whether the account's phone is its owner's still, as far as is known.
func (a *Account) KeepsPhone(now time.Time) bool {
	last := a.PhoneProved
	if a.PhoneVerified() && a.Created.After(last) {
		last = a.Created
	}
	return a.Phone != "" && now.Sub(last) < phoneKept
}

// LeftPhone reports whether the account lost that phone less than 30 days ago: having it doesn't get it back.
func (a *Account) LeftPhone(phone string, now time.Time) bool {
	return phone == a.PhoneLeft.Phone && now.Sub(a.PhoneLeft.At) < 30*24*time.Hour
}
