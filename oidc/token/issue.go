package token

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

// idTokenLife is how long an ID token is valid. The token says who logged in at the moment
// of the login. For later, the client has a session of its own.
const idTokenLife = 10 * time.Minute

// IDClaims are the claims of an ID token (OpenID Connect Core section 2). Times are in
// seconds since 1970.
type IDClaims struct {
	jose.Registered
	AuthTime   int64    `json:"auth_time"`
	Nonce      string   `json:"nonce,omitempty"`
	ACR        string   `json:"acr"`
	AMR        []string `json:"amr"`
	SessionID  string   `json:"sid"`
	AccessHash string   `json:"at_hash,omitempty"`
	BehalfClaims
}

// IssueToClient makes an access token with which a client acts for itself. The client must be
// registered for the scopes. Nothing is stored.
func (p *Service) IssueToClient(ctx context.Context, c oidc.Client, scopes []oidc.Scope) (Token, error) {
	now := time.Now()
	signed, err := p.sign(ctx, signing.PurposeAccessToken, jose.ES256, jose.TypAccessToken, claims{
		Registered: p.registered(c.ID, p.c.Issuer, now, p.c.TTL), ClientID: c.ID, Scope: oidc.JoinScopes(scopes), TokenID: rand.Text(),
	})
	if err != nil {
		return Token{}, fmt.Errorf("issuing an access token: %w", err)
	}
	return Token{signed, p.c.TTL, scopes}, nil
}

// Issue makes the tokens of a family: an access token with those scopes that the client
// still has and the login's assurance suffices for, an ID token if openid is among them, and
// the newest refresh token.
func (p *Service) Issue(ctx context.Context, c oidc.Client, f *Family, scopes []oidc.Scope, nonce string, t *Tokens) error {
	// The client may have lost scopes since they were granted.
	scopes = slices.DeleteFunc(slices.Clone(scopes), func(s oidc.Scope) bool { return !slices.Contains(c.Scopes, s) })
	who := &f.body.About
	scopes = oidc.ShownScopes(scopes, who.Assurance)
	subject, err := p.c.Subjects.Of(ctx, c, who.Party)
	if err != nil {
		return err
	}
	behalf, err := p.behalfClaims(ctx, c, who, scopes)
	if err != nil {
		return err
	}
	now := time.Now()
	access := claims{
		Registered: p.registered(subject, p.c.Issuer, now, p.c.TTL), ClientID: c.ID, Scope: oidc.JoinScopes(scopes), TokenID: rand.Text(),
		AuthTime: oidc.AuthTime(who.AuthTime, who.Factors), ACR: oidc.ACR(who.Assurance), Family: f.ID, Grant: who.Grant,
		BehalfClaims: behalf,
	}
	if t.Access, err = p.sign(ctx, signing.PurposeAccessToken, jose.ES256, jose.TypAccessToken, access); err != nil {
		return fmt.Errorf("issuing an access token: %w", err)
	}
	t.Expires, t.Scopes = p.c.TTL, scopes
	if slices.Contains(scopes, oidc.ScopeOpenID) {
		alg, purpose := idTokenKey(c)
		t.ID, err = p.sign(ctx, purpose, alg, jose.TypIDToken, IDClaims{
			Registered: p.registered(subject, c.ID, now, idTokenLife),
			AuthTime:   oidc.AuthTime(who.AuthTime, who.Factors), Nonce: nonce, ACR: oidc.ACR(who.Assurance), AMR: factor.All().Methods(who.Factors), SessionID: who.SID,
			AccessHash: accessHash(t.Access), BehalfClaims: behalf,
		})
		if err != nil {
			return fmt.Errorf("issuing an ID token: %w", err)
		}
	}
	if f.Number > 0 {
		t.Refresh, err = p.c.Families.RefreshToken(ctx, f.ID, f.Number)
	}
	return err
}

// accessHash returns the at_hash of an access token (OpenID Connect Core section 3.1.3.6).
// RS256 and ES256 use the same hash.
func accessHash(token oidc.Secret) string {
	sum := sha256.Sum256([]byte(token.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// idTokenKey returns the algorithm and the purpose of the key that signs a client's ID tokens.
func idTokenKey(c oidc.Client) (jose.Algorithm, signing.Purpose) {
	if c.IDTokenAlgorithm == jose.ES256 {
		return jose.ES256, signing.PurposeIDToken
	}
	return jose.RS256, signing.PurposeIDTokenRSA
}

// registered returns the registered claims, which all tokens have.
func (p *Service) registered(subject, audience string, now time.Time, life time.Duration) jose.Registered {
	return jose.Registered{
		Issuer: p.c.Issuer, Subject: subject, Audience: audience, Issued: now.Unix(), Expires: now.Add(life).Unix(),
	}
}

// sign signs a token. Such tokens live for minutes, and are stored nowhere.
func (p *Service) sign(ctx context.Context, purpose signing.Purpose, alg jose.Algorithm, typ string, claims jose.Claims) (oidc.Secret, error) {
	key, err := p.c.Keyrings.Active(ctx, purpose, "")
	if err != nil {
		return oidc.Secret{}, err
	}
	if key.Signer == nil || key.Algorithm != string(alg) {
		return oidc.Secret{}, fmt.Errorf("key %s is not one of %s held here", key.ID, alg)
	}
	token, err := jose.SignToken(key.Signer, typ, key.KID(), claims)
	return oidc.SecretOf(token), err
}

// Tokens is what the token endpoint answers to a code or a refresh token.
type Tokens struct {
	Token
	ID      oidc.Secret    // the ID token; zero: none, because openid wasn't granted
	Refresh oidc.Secret    // the refresh token; zero: none
	Details jsontext.Value // authorization_details as granted, with use codes; nil: none
}
