package oidc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// A refresh token is
//
//	family id "." number "." base64url(HMAC-SM3 over family and number)
//
// under a lookup key. Nothing of it is stored: only the family's number counts,
// and what nobody here made is recognized before anything is looked up.
const domainRefresh = "oidc.refresh"

// refreshGrace is how long the token before the newest gets the newest once
// more: the answer that brought it may have been lost.
const refreshGrace = 10 * time.Second

// refreshToken returns a family's refresh token of a number.
func (p *Provider) refreshToken(ctx context.Context, family string, number int64) (Secret, error) {
	n := strconv.FormatInt(number, 10)
	keys, err := p.c.Vault.Lookups(ctx, domainRefresh, family, n)
	if err != nil {
		return Secret{}, fmt.Errorf("making a refresh token: %w", err)
	}
	return SecretOf(family + "." + n + "." + base64.RawURLEncoding.EncodeToString(keys[0].Sum[:])), nil
}

// readRefreshToken returns a genuine refresh token's family and number; of
// anything else the family is "".
func (p *Provider) readRefreshToken(ctx context.Context, token string) (family string, number int64, err error) {
	family, n, mac, ok := splitRefreshToken(token)
	if !ok {
		return "", 0, nil
	}
	keys, err := p.c.Vault.Lookups(ctx, domainRefresh, family, strconv.FormatInt(n, 10))
	if err != nil {
		return "", 0, unavailable(fmt.Errorf("checking a refresh token: %w", err))
	}
	if !slices.ContainsFunc(keys, func(l signing.Lookup) bool { return sameText(string(l.Sum[:]), string(mac)) }) {
		return "", 0, nil
	}
	return family, n, nil
}

// splitRefreshToken reads the form of a refresh token.
func splitRefreshToken(token string) (family string, number int64, mac []byte, ok bool) {
	family, rest, _ := strings.Cut(token, ".")
	text, sum, ok := strings.Cut(rest, ".")
	if !ok || !identity.ValidID(family) || len(sum) != handleLength {
		return "", 0, nil, false
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 1 || strconv.FormatInt(number, 10) != text {
		return "", 0, nil, false
	}
	mac, err = base64.RawURLEncoding.Strict().DecodeString(sum)
	if err != nil || !SecretOf(sum).isHandle() {
		return "", 0, nil, false
	}
	return family, number, mac, true
}

// RefreshRequest redeems a refresh token (RFC 6749 section 6).
type RefreshRequest struct {
	Token     string
	Scopes    []Scope // none: those before; more than those is invalid_scope
	Resources []string
	RequestID string
}

// Refresh redeems a refresh token for the authenticated client. The token is
// rotated; the one before it works once more within 10 seconds and gets the same
// successor, only while that is unused. Any earlier one ends the family, even if
// its thief hangs up at once. Refusals are *Error and leave an event.
func (p *Provider) Refresh(ctx context.Context, c Client, q RefreshRequest) (Tokens, error) {
	ctx, cancel := toTheEnd(ctx)
	defer cancel()
	t, err := p.refresh(ctx, c, q)
	return t, p.tokenRefused(ctx, c, q.RequestID, err)
}

// errRefresh is the one answer to refresh tokens that aren't good: why stands in
// the event alone.
func errRefresh(reason string) *Error {
	e := badGrant(reason, "the refresh token is unknown, over, used before or not this client's")
	e.Shown = "refresh_token_invalid"
	return e
}

func (p *Provider) refresh(ctx context.Context, c Client, q RefreshRequest) (Tokens, error) {
	if err := p.checkGrantType(c, GrantRefresh, q.Resources); err != nil {
		return Tokens{}, err
	}
	id, number, err := p.readRefreshToken(ctx, q.Token)
	if err != nil {
		return Tokens{}, err
	}
	if id == "" {
		return Tokens{}, errRefresh("refresh_malformed")
	}
	s, err := p.standingOf(ctx, c.ID, standingFresh)
	if err != nil {
		return Tokens{}, err
	}
	f, err := p.rotate(ctx, c, id, number, q, s.client.Floor(s.participant.Class))
	if err != nil {
		return Tokens{}, err
	}
	scopes := f.body.About.Scopes
	if len(q.Scopes) > 0 {
		scopes = q.Scopes
	}
	t := Tokens{}
	if err := p.issue(ctx, c, f, scopes, "", &t); err != nil {
		return Tokens{}, err
	}
	return t, nil
}

// rotate makes the family's next refresh token the newest, and returns the
// family as it is then.
func (p *Provider) rotate(ctx context.Context, c Client, id string, number int64, q RefreshRequest, floor int) (*family, error) {
	for try := 1; ; try++ {
		f, err := p.readFamily(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return nil, errRefresh("refresh_unknown")
		}
		if err != nil {
			return nil, err
		}
		if f.Client == c.ID && f.EndedBy == EndedByRefresh {
			// Perhaps in a process that died before the grant ended.
			if err := p.revokeGrant(ctx, c, f, GrantTokenRevoked); err != nil {
				return nil, err
			}
		}
		if err := p.checkRefresh(ctx, c, f); err != nil {
			return nil, err
		}
		if f.body.About.Assurance < floor { // it was set higher since the login
			return nil, errRefresh("refresh_assurance")
		}
		now := time.Now()
		again := number == f.Number-1 && now.Sub(f.Rotated) <= refreshGrace
		switch {
		case again || number == f.Number:
			if slices.ContainsFunc(q.Scopes, func(s Scope) bool { return !slices.Contains(f.body.About.Scopes, s) }) {
				return nil, &Error{Code: InvalidScope, Description: "a refresh token brings no more scopes than were granted", Reason: "scope_not_granted"}
			}
		case number < f.Number:
			if err := p.revokeFamily(ctx, c, f, Actor{c.ID, q.RequestID}, journal.ActionRefreshReuse, EndedByRefresh, GrantTokenRevoked); err != nil {
				return nil, err
			}
			return nil, errRefresh("refresh_reuse")
		case number > f.Number: // of a database that was set back
			return nil, errRefresh("refresh_unknown")
		}
		if again {
			return f, nil
		}
		r := f.FamilyRecord
		r.Number, r.Rotated = number+1, now.UTC()
		err = p.c.Families.UpdateFamily(ctx, r)
		if err == nil {
			p.step("refresh.rotated")
			r.Revision++
			f.FamilyRecord = r
			return f, nil
		}
		if !errors.Is(err, ErrConflict) || try == changeTries {
			return nil, unavailable(fmt.Errorf("rotating family %s: %w", id, err))
		}
	}
}

// checkRefresh says whether a genuine refresh token of a family is good for a
// client at all.
func (p *Provider) checkRefresh(ctx context.Context, c Client, f *family) error {
	if f.Client != c.ID {
		return errRefresh("refresh_client")
	}
	err := p.check(ctx, f)
	if err == nil {
		err = p.checkGrant(ctx, f.body.About.Grant)
	}
	if over, ok := errors.AsType[overError](err); ok {
		return errRefresh("refresh_" + string(over))
	}
	return err
}
