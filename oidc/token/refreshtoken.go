package token

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
)

// A refresh token is
//
//	family id "." number "." base64url(HMAC-SM3 over family and number)
//
// under a lookup key. Nothing of it is stored: only the family's number counts. A token that
// wasn't made here is refused before anything is looked up in the database.
const domainRefresh = "oidc.refresh"

// RefreshToken returns a family's refresh token with a number.
func (p *Families) RefreshToken(ctx context.Context, family string, number int64) (oidc.Secret, error) {
	n := strconv.FormatInt(number, 10)
	keys, err := p.c.Vault.Lookups(ctx, domainRefresh, family, n)
	if err != nil {
		return oidc.Secret{}, fmt.Errorf("making a refresh token: %w", err)
	}
	return oidc.SecretOf(family + "." + n + "." + base64.RawURLEncoding.EncodeToString(keys[0].Sum[:])), nil
}

// ReadToken returns the family and number of a genuine refresh token. For anything else,
// the family is "".
func (p *Families) ReadToken(ctx context.Context, token string) (family string, number int64, err error) {
	family, n, mac, ok := splitRefreshToken(token)
	if !ok {
		return "", 0, nil
	}
	keys, err := p.c.Vault.Lookups(ctx, domainRefresh, family, strconv.FormatInt(n, 10))
	if err != nil {
		return "", 0, oidc.Unavailable(fmt.Errorf("checking a refresh token: %w", err))
	}
	if !slices.ContainsFunc(keys, func(l signing.Lookup) bool { return oidc.SameText(string(l.Sum[:]), string(mac)) }) {
		return "", 0, nil
	}
	return family, n, nil
}

// splitRefreshToken splits a refresh token into its parts; ok is false if it has another form.
func splitRefreshToken(token string) (family string, number int64, mac []byte, ok bool) {
	family, rest, _ := strings.Cut(token, ".")
	text, sum, ok := strings.Cut(rest, ".")
	if !ok || !identity.ValidID(family) || len(sum) != oidc.HandleLength {
		return "", 0, nil, false
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 1 || strconv.FormatInt(number, 10) != text {
		return "", 0, nil, false
	}
	mac, err = base64.RawURLEncoding.Strict().DecodeString(sum)
	if err != nil || !oidc.SecretOf(sum).IsHandle() {
		return "", 0, nil, false
	}
	return family, number, mac, true
}

// BadRefresh returns the same answer for all refresh tokens that aren't valid. Only the event
// says why.
func BadRefresh(reason oidc.Reason) *oidc.Error {
	e := oidc.BadGrant(reason, "the refresh token is unknown, over, used before or not this client's")
	e.Shown = "refresh_token_invalid"
	return e
}

// CheckRefresh checks whether a client may use genuine refresh tokens of a family at all.
func (p *Families) CheckRefresh(ctx context.Context, c oidc.Client, f *Family) error {
	if f.Client != c.ID {
		return BadRefresh(oidc.ReasonRefreshClient)
	}
	err := p.check(ctx, f)
	if err == nil {
		err = p.checkGrant(ctx, f.body.About.Grant)
	}
	if over, ok := errors.AsType[Over](err); ok {
		return BadRefresh(oidc.Reason("refresh_" + over))
	}
	return err
}
