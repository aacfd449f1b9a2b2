package oidc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

// idTokenLife is how long an ID token is good. It says who logged in, at the
// moment of the login: whoever looks later has a session of their own.
const idTokenLife = 10 * time.Minute

// idClaims are those of an ID token (OpenID Connect Core section 2). Times are in
// seconds since 1970.
type idClaims struct {
	Issuer     string   `json:"iss"`
	Subject    string   `json:"sub"`
	Audience   string   `json:"aud"`
	Expires    int64    `json:"exp"`
	Issued     int64    `json:"iat"`
	AuthTime   int64    `json:"auth_time"`
	Nonce      string   `json:"nonce,omitempty"`
	ACR        string   `json:"acr"`
	AMR        []Factor `json:"amr"`
	SessionID  string   `json:"sid"`
	AccessHash string   `json:"at_hash,omitempty"`
}

// issue makes the tokens of a family: an access token that carries the scopes as
// far as the client still has them, an ID token if openid is among those, and the
// newest refresh token.
func (p *Provider) issue(ctx context.Context, c Client, f *family, scopes []Scope, nonce string, t *Tokens) error {
	// The client may have been registered for less since.
	scopes = slices.DeleteFunc(slices.Clone(scopes), func(s Scope) bool { return !slices.Contains(c.Scopes, s) })
	who := &f.body.About
	scopes = shown(scopes, who.Assurance)
	subject, err := p.subject(ctx, c, who.Party)
	if err != nil {
		return err
	}
	now := time.Now()
	access := claims{
		Issuer: p.c.Issuer, Subject: subject, Audience: p.c.Issuer, ClientID: c.ID, Scope: JoinScopes(scopes),
		Issued: now.Unix(), Expires: now.Add(p.c.TokenTTL).Unix(), TokenID: rand.Text(),
		AuthTime: who.AuthTime, ACR: ACR(who.Assurance), Family: f.ID, Grant: who.Grant,
	}
	if t.Access, err = p.sign(ctx, signing.PurposeAccessToken, jose.ES256, jose.TypAccessToken, access); err != nil {
		return fmt.Errorf("issuing an access token: %w", err)
	}
	t.Expires, t.Scopes = p.c.TokenTTL, scopes
	if slices.Contains(scopes, ScopeOpenID) {
		alg, purpose := idTokenKey(c)
		t.ID, err = p.sign(ctx, purpose, alg, jose.TypIDToken, idClaims{
			Issuer: p.c.Issuer, Subject: subject, Audience: c.ID, Expires: now.Add(idTokenLife).Unix(), Issued: now.Unix(),
			AuthTime: who.AuthTime, Nonce: nonce, ACR: ACR(who.Assurance), AMR: amr(who.Factors), SessionID: who.SID,
			AccessHash: accessHash(t.Access),
		})
		if err != nil {
			return fmt.Errorf("issuing an ID token: %w", err)
		}
	}
	if f.Number > 0 {
		t.Refresh, err = p.refreshToken(ctx, f.ID, f.Number)
	}
	return err
}

// amr names the methods of a login (RFC 8176): mfa too, if there were two.
func amr(factors []Factor) []Factor {
	if len(sorted(factors)) > 1 {
		return append(slices.Clone(factors), "mfa")
	}
	return factors
}

// accessHash is the at_hash of an access token (OpenID Connect Core section
// 3.1.3.6), under the hash of both RS256 and ES256.
func accessHash(token Secret) string {
	sum := sha256.Sum256([]byte(token.text))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// idTokenKey returns which key signs a client's ID tokens.
func idTokenKey(c Client) (jose.Algorithm, signing.Purpose) {
	if c.IDTokenAlgorithm == jose.ES256 {
		return jose.ES256, signing.PurposeIDToken
	}
	return jose.RS256, signing.PurposeIDTokenRSA
}

// tokenKind is what the header of a token follows from.
type tokenKind struct {
	typ, kid  string
	algorithm jose.Algorithm
}

// maxHeaders is for the keys of some years.
const maxHeaders = 128

// header returns the header of a kind of tokens, encoded once.
func (p *Provider) header(k tokenKind) jose.Header {
	h, ok := p.headers.load(k)
	if !ok {
		h = jose.Header{Typ: k.typ, KeyID: k.kid, Algorithm: k.algorithm}.Prepared()
		p.headers.store(k, h)
	}
	return h
}

// sign signs a token that lives for minutes and is stored nowhere.
func (p *Provider) sign(ctx context.Context, purpose signing.Purpose, alg jose.Algorithm, typ string, claims any) (Secret, error) {
	key, err := p.c.Keyrings.Active(ctx, purpose, "")
	if err != nil {
		return Secret{}, err
	}
	if key.Signer == nil || key.Algorithm != string(alg) {
		return Secret{}, fmt.Errorf("key %s is not one of %s held here", key.ID, alg)
	}
	token, err := jose.SignPassing(key.Signer, p.header(tokenKind{typ, key.KID(), alg}), claims)
	return SecretOf(token), err
}
