package password

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/signing/journal"
)

// TicketLife is how long a setup ticket is valid.
const TicketLife = 15 * time.Minute

// A setup ticket is the account's id, a dot, and 256 random bits in base64url.
const ticketSecret = 32

// TicketConfig says what Tickets works with. All fields are needed.
type TicketConfig struct {
	People    *identity.Service
	Passwords *Hasher
	Notices   *notice.Notices
	Journal   identity.Journal
}

// Tickets lets people set the first password of an account, or a new one, through a link that
// they were given. Safe for concurrent use.
type Tickets struct{ c TicketConfig }

// NewTickets returns the service.
func NewTickets(c TicketConfig) *Tickets { return &Tickets{c} }

// SetupTicket makes a ticket with which the account's password can be set, once within 15
// minutes, and returns it. Any earlier ticket of the account ends. Only the ticket's hash is
// stored. ErrNotFound if there is no such account.
func (t *Tickets) SetupTicket(ctx context.Context, actor, account string) (string, error) {
	return t.ticket(ctx, identity.Did(actor, journal.ActionTicketCreate, account, "", ""), identity.SetupTicket{}, nil)
}

// RecoveryTicket is SetupTicket for the account's owner, who proved nothing but who they are and the phone:
// for a day after the password is set with it, the phone is no second factor beside that. With present it
// doesn't wait: they were seen. *Error: phone_changed, if the account doesn't have that phone any more, or is disabled.
func (t *Tickets) RecoveryTicket(ctx context.Context, account, phone string, present bool, requestID string) (string, error) {
	return t.ticket(ctx, identity.Did(account, journal.ActionTicketCreate, account, requestID, ""), identity.SetupTicket{Phone: !present}, func(a *identity.Account) error {
		if a.Phone != phone || a.Disabled {
			return &identity.Error{Reason: identity.ReasonPhoneChanged, Detail: "the account changed meanwhile"}
		}
		return nil
	})
}

// ticket makes a ticket for the subject of a fact. check may refuse it.
func (t *Tickets) ticket(ctx context.Context, f journal.Fact, made identity.SetupTicket, check func(*identity.Account) error) (string, error) {
	account := f.Subject
	secret := make([]byte, ticketSecret)
	rand.Read(secret)
	text := base64.RawURLEncoding.EncodeToString(secret)
	sum := sha256.Sum256([]byte(text))
	err := t.c.Journal.Change(ctx, f, func() error {
		_, err := t.c.People.Change(ctx, account, func(a *identity.Account) error {
			if a.Closed.Kind != "" {
				return &identity.Error{Reason: identity.ReasonClosed, Detail: "the account was closed: open it again first"}
			}
			if check != nil {
				if err := check(a); err != nil {
					return err
				}
			}
			made.Sum, made.Expires = sum[:], time.Now().Add(TicketLife).UTC()
			a.Setup = made
			return nil
		})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("making a setup ticket: %w", err)
	}
	return account + "." + text, nil
}

// parseTicket returns a ticket's account id and the hash of its secret.
func parseTicket(ticket string) (account string, sum [32]byte, ok bool) {
	account, secret, ok := strings.Cut(ticket, ".")
	b, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	if !ok || err != nil || len(b) != ticketSecret || len(secret) != base64.RawURLEncoding.EncodedLen(ticketSecret) || !identity.ValidID(account) {
		return "", sum, false
	}
	return account, sha256.Sum256([]byte(secret)), true
}

func invalidTicket() error {
	return &identity.Error{Reason: "ticket_invalid", Detail: "The link is no longer good: it works once, for 15 minutes. Ask for another one where you got it."}
}

// good reports whether a ticket with that hash is valid now.
func good(t identity.SetupTicket, sum [32]byte, now time.Time) bool {
	return len(t.Sum) == len(sum) && now.Before(t.Expires) && subtle.ConstantTimeCompare(t.Sum, sum[:]) == 1
}

// SetPassword spends a setup ticket and sets the account's password; the owner is told. *Error: ticket_invalid
// (the same if it is unknown, spent or expired), password_short, password_long,
// password_characters, password_common, password_personal, busy. The ticket is spent only if
// the password is accepted. Of simultaneous uses one succeeds, because of the account's
// revision.
func (t *Tickets) SetPassword(ctx context.Context, ticket, password, language, requestID string) (identity.Account, error) {
	id, sum, ok := parseTicket(ticket)
	if !ok {
		return identity.Account{}, invalidTicket()
	}
	usable := func(a identity.Account) error {
		if a.Disabled || !good(a.Setup, sum, time.Now()) {
			return invalidTicket()
		}
		return nil
	}
	a, err := t.c.People.Account(ctx, id)
	if errors.Is(err, identity.ErrNotFound) {
		return identity.Account{}, invalidTicket()
	}
	if err != nil {
		return identity.Account{}, fmt.Errorf("setting a password: %w", err)
	}
	if err := usable(a); err != nil {
		return identity.Account{}, err
	}
	p, err := t.c.People.Party(ctx, a.Party)
	if err != nil {
		return identity.Account{}, fmt.Errorf("setting a password: %w", err)
	}
	hash, err := t.c.Passwords.New(ctx, password, a, p)
	if err != nil {
		return identity.Account{}, err
	}
	err = t.c.Journal.Change(ctx, identity.Did(id, journal.ActionPasswordSet, id, requestID, ""), func() (err error) {
		a, err = t.c.People.Change(ctx, id, func(a *identity.Account) error {
			if err := usable(*a); err != nil {
				return err
			}
			hash.Set = time.Now().UTC() // not earlier, so that logins with the old password meanwhile end, too
			if a.Setup.Phone {
				a.PhoneWaits = hash.Set.Add(identity.PhoneWait)
			}
			a.Password, a.Setup = hash, identity.SetupTicket{}
			return nil
		})
		return err
	})
	if err != nil {
		return identity.Account{}, fmt.Errorf("setting a password: %w", err)
	}
	t.c.Notices.Tell(ctx, a, notice.PasswordSet, "", language, requestID)
	return a, nil
}
