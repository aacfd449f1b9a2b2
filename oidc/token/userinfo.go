package token

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
)

// userClaims are the claims that UserInfo returns. It leaves out claims of scopes that the
// token lacks, and claims that aren't known.
//
//	sub                    always: the subject, as in the ID token
//	name                   profile: the name that counts today
//	updated_at             profile: when name or codes last changed, in seconds since 1970
//	phone_number           phone, from assurance 2 on: E.164
//	phone_number_verified  phone, likewise: true, or left out if the number came from another system with the account
//	user_type              identity: person
//	code_type              identity, from assurance 2 on: the type of the code, by GB/T 36903 annex A, such as 111
//	code                   identity, likewise: the code by which the state knows the person
//	assurance              identity: the login's assurance, 0 to 3, as in acr
//	organization           organization: the organization for which the person acts; see [Organization]
//	act_as                 act_as: the person for whom they act; see [ActAs]
//
// Below assurance 2 a stolen password may be all that somebody has. It must not yield the
// code and the phone, which could be misused elsewhere. A client that needs them asks for
// assurance 2 with acr_values.
type userClaims struct {
	Subject       string            `json:"sub"`
	Name          string            `json:"name,omitempty"`
	UpdatedAt     int64             `json:"updated_at,omitzero"`
	Phone         string            `json:"phone_number,omitempty"`
	PhoneVerified bool              `json:"phone_number_verified,omitzero"`
	UserType      identity.Kind     `json:"user_type,omitempty"`
	CodeType      string            `json:"code_type,omitempty"`
	Code          string            `json:"code,omitempty"`
	Assurance     *factor.Assurance `json:"assurance,omitempty"`
	BehalfClaims
}

// UserInfo returns the claims about the person of an access token (OpenID Connect Core
// section 5.3), as a JSON object. The token's scopes say which: profile has name and
// updated_at; phone has phone_number and phone_number_verified; identity has user_type,
// code_type, code and assurance. Errors: *Error insufficient_scope without openid,
// invalid_token for a token that is about no person, temporarily_unavailable.
func (p *Service) UserInfo(ctx context.Context, a Access) (jsontext.Value, error) {
	if a.Party == "" {
		return nil, invalidToken("token_claims", "the access token is about no person", nil)
	}
	if !a.Has(oidc.ScopeOpenID) {
		return nil, &oidc.Error{Code: oidc.InsufficientScope, Description: "the access token does not carry the scope openid"}
	}
	c := userClaims{Subject: a.Subject}
	if slices.ContainsFunc(a.Scopes, func(s string) bool { return oidc.Scope(s).Identifies() }) {
		f, err := p.c.Families.recent(ctx, a.Family)
		if err != nil {
			return nil, err
		}
		if err := p.fill(ctx, &c, a, &f.body.About); err != nil {
			return nil, err
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encoding the claims of a person: %w", err)
	}
	return b, nil
}

// fill adds the claims that the scopes show about a person.
func (p *Service) fill(ctx context.Context, c *userClaims, a Access, who *About) error {
	n, err := p.c.Sessions.Party(ctx, who.Party)
	if err != nil {
		return err
	}
	if a.Has(oidc.ScopeProfile) {
		c.Name, c.UpdatedAt = n.Name, n.Updated.Unix()
	}
	if a.Has(oidc.ScopeIdentity) {
		c.UserType, c.Assurance = n.Kind, &who.Assurance
		if len(n.Codes) > 0 && who.Assurance >= oidc.CodeAssurance {
			c.CodeType, c.Code = string(n.Codes[0].Type), n.Codes[0].Value
		}
	}
	if a.Has(oidc.ScopePhone) && who.Assurance >= oidc.CodeAssurance {
		account, err := p.c.Identity.Account(ctx, who.Account)
		if err != nil {
			return oidc.Unavailable(fmt.Errorf("account %s: %w", who.Account, err))
		}
		c.Phone, c.PhoneVerified = account.Phone, account.PhoneVerified()
	}
	if who.Behalf == nil {
		return nil
	}
	s, err := p.c.Clients.Standing(ctx, a.Client)
	if err != nil {
		return err
	}
	c.BehalfClaims, err = p.behalfClaims(ctx, s.Client, who, scopesOf(a))
	return err
}

func scopesOf(a Access) []oidc.Scope {
	scopes := make([]oidc.Scope, len(a.Scopes))
	for i, s := range a.Scopes {
		scopes[i] = oidc.Scope(s)
	}
	return scopes
}
