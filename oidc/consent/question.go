package consent

import (
	"context"
	"slices"
	"strings"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/request"
	"yizheng.internal/oidc/token"
)

// Question is an authorization request of a client, as far as it matters for consent.
type Question struct {
	Request  *request.Request
	Standing client.Standing // of who asks
	Scopes   []oidc.Scope    // those that the login's assurance suffices for
	Agreed   []oidc.Scope    // those that the person agreed to before
}

// Uncertain reports whether another program could pose as the client: the client has no
// secret, and its redirect URI isn't https, so that any program beside the browser can
// listen there. If the person weren't asked, such a program would get a login unnoticed
// (RFC 8252 section 8.6).
func (q *Question) Uncertain() bool {
	return q.Standing.Client.Public() && !strings.HasPrefix(q.Request.RedirectURI, "https:")
}

// Asks returns the scopes that the person must agree to. If the participant isn't a
// department, these are openid, by which it recognizes the person for good, and the scopes
// that show who they are, except those agreed to before. If it isn't certain who asks, or
// the client wants consent, the person is asked for these scopes each time; a department
// needs no consent to openid. If the client wants consent, offline_access is among them.
func (q *Question) Asks() []oidc.Scope {
	asked := q.Request.Wants(request.PromptConsent)
	again := asked || q.Uncertain()
	foreign := q.Standing.Participant.Class != identity.Government
	var scopes []oidc.Scope
	if foreign && (again || !slices.Contains(q.Agreed, oidc.ScopeOpenID)) {
		scopes = append(scopes, oidc.ScopeOpenID) // even if it isn't asked for: every token has the subject
	}
	for _, s := range q.Scopes {
		if s.Identifies() && (again || foreign && !slices.Contains(q.Agreed, s)) || s == oidc.ScopeOffline && asked {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// Remembers reports whether a consent at the client counts for later logins. It doesn't
// count at a department, which needs none, or if another program could pose as the client.
func (q *Question) Remembers() bool {
	return !q.Request.Portal() && q.Standing.Participant.Class != identity.Government && !q.Uncertain()
}

// Offline reports whether a request gets offline access: it asks for it, the client is
// registered for it, and the person agrees now or agreed before, acting as they do now (OpenID Connect Core
// section 11); a login that a phone lent gets none. Otherwise the request is treated as if it didn't ask for it.
func (p *Service) Offline(ctx context.Context, q *Question, relayed bool, party string, as *token.Behalf) (bool, error) {
	r, c := q.Request, q.Standing.Client
	if relayed || !r.Has(oidc.ScopeOffline) || !c.Has(oidc.GrantRefresh) || !slices.Contains(c.Scopes, oidc.ScopeOffline) {
		return false, nil
	}
	if r.Wants(request.PromptConsent) {
		return true, nil
	}
	return p.c.Families.HasOffline(ctx, c.ID, party, as)
}
