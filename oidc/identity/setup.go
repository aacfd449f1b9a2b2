package identity

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

	"yizheng.internal/signing/journal"
)

// TicketLife is how long a setup ticket is good.
const TicketLife = 15 * time.Minute

// A setup ticket is the account's id, a dot, and 256 random bits in base64url.
const ticketSecret = 32

// SetupTicket makes a ticket, good for 15 minutes and one use, with which the
// account's password is set, and returns it. Any earlier one ends. It is stored
// as a hash. ErrNotFound if there is no such account.
func (s *Service) SetupTicket(ctx context.Context, actor, account string) (string, error) {
	secret := make([]byte, ticketSecret)
	rand.Read(secret)
	text := base64.RawURLEncoding.EncodeToString(secret)
	sum := sha256.Sum256([]byte(text))
	err := s.c.Journal.Change(ctx, did(actor, journal.ActionTicketCreate, account, "", ""), func() error {
		_, err := s.change(ctx, account, func(a *Account) error {
			a.Setup = SetupTicket{Sum: sum[:], Expires: time.Now().Add(TicketLife).UTC()}
			return nil
		})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("making a setup ticket: %w", err)
	}
	return account + "." + text, nil
}

// parseTicket returns the account's id and the hash of a ticket.
func parseTicket(ticket string) (account string, sum [32]byte, ok bool) {
	account, secret, ok := strings.Cut(ticket, ".")
	b, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	if !ok || err != nil || len(b) != ticketSecret || len(secret) != base64.RawURLEncoding.EncodedLen(ticketSecret) || !ValidID(account) {
		return "", sum, false
	}
	return account, sha256.Sum256([]byte(secret)), true
}

func invalidTicket() error {
	return &Error{Reason: "ticket_invalid", Detail: "The link is no longer good: it works once, for 15 minutes. Ask for another one where you got it."}
}

// good reports whether a ticket of that hash is good now.
func (t SetupTicket) good(sum [32]byte, now time.Time) bool {
	return len(t.Sum) == len(sum) && now.Before(t.Expires) && subtle.ConstantTimeCompare(t.Sum, sum[:]) == 1
}

// SetPassword spends a setup ticket and sets the account's password. *Error:
// ticket_invalid (unknown, spent and expired alike), password_short,
// password_long, password_characters, password_common, password_personal, busy.
// The ticket is spent only with a good password; of uses side by side one
// succeeds, by the account's revision.
func (s *Service) SetPassword(ctx context.Context, ticket, password, requestID string) (Account, error) {
	id, sum, ok := parseTicket(ticket)
	if !ok {
		return Account{}, invalidTicket()
	}
	usable := func(a Account) error {
		if a.Disabled || !a.Setup.good(sum, time.Now()) {
			return invalidTicket()
		}
		return nil
	}
	a, err := s.Account(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Account{}, invalidTicket()
	}
	if err != nil {
		return Account{}, fmt.Errorf("setting a password: %w", err)
	}
	if err := usable(a); err != nil {
		return Account{}, err
	}
	p, err := s.Party(ctx, a.Party)
	if err != nil {
		return Account{}, fmt.Errorf("setting a password: %w", err)
	}
	hash, err := s.newPassword(ctx, password, a, p)
	if err != nil {
		return Account{}, err
	}
	err = s.c.Journal.Change(ctx, did(id, journal.ActionPasswordSet, id, requestID, ""), func() (err error) {
		a, err = s.change(ctx, id, func(a *Account) error {
			if err := usable(*a); err != nil {
				return err
			}
			hash.Set = time.Now().UTC() // not before: what the old one opened meanwhile is over too
			a.Password, a.Setup = hash, SetupTicket{}
			return nil
		})
		return err
	})
	if err != nil {
		return Account{}, fmt.Errorf("setting a password: %w", err)
	}
	return a, nil
}

// newPassword checks a new password against the rules and hashes it.
func (s *Service) newPassword(ctx context.Context, password string, a Account, p Party) (PasswordHash, error) {
	if err := checkPassword(password, a, p); err != nil {
		return PasswordHash{}, err
	}
	normal, _ := normalPassword(password)
	return s.hash.make(ctx, normal)
}
