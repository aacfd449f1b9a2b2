package grant

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/keeper"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
)

// authorizationCode is a person's login at the client (RFC 6749 section 4.1).
var authorizationCode = grantType{
	oidc.GrantRule{Type: oidc.GrantCode, People: true},
	(*Service).redeemCode,
}

// Authorization is what an authorization code yields. It is stored sealed under the
// code's hash. The code itself is random and carries nothing.
type Authorization struct {
	Client      string      `json:"client"`
	RedirectURI string      `json:"redirect_uri"`
	Challenge   string      `json:"challenge,omitempty"`
	Nonce       string      `json:"nonce,omitempty"`
	Session     string      `json:"session"`
	Offline     bool        `json:"offline,omitempty"`
	Ends        time.Time   `json:"ends"` // the latest end of what it yields
	Expires     time.Time   `json:"expires"`
	About       token.About `json:"about"`
}

const (
	// keptCode is the kind of codes in [ephemeral.Store]. keptWrong begins the keys
	// of the counters of wrong tries with a code.
	keptCode  = "code"
	keptWrong = "oidc.wrong."

	codeLife   = time.Minute
	wrongTries = 3         // the code ends with this wrong try
	spentKept  = time.Hour // how much longer a spent code is remembered than its family lives
)

// NewCode makes an authorization code that yields g, and stores it for a minute.
func (p *Service) NewCode(ctx context.Context, g Authorization) (oidc.Secret, error) {
	g.Expires = time.Now().UTC().Add(codeLife)
	code := oidc.NewHandle()
	owner, err := ephemeral.OwnerOf(ctx, p.c.Vault, g.About.Account)
	if err != nil {
		return oidc.Secret{}, err
	}
	how := ephemeral.Keeping{Part: ephemeral.PartReserved, Owner: owner, Until: g.Expires}
	if err := p.c.Kept.Keep(ctx, keptCode, code.Hash(), g, how); err != nil {
		return oidc.Secret{}, err
	}
	p.c.Step("code.kept")
	return code, nil
}

// errCode returns the same answer for codes that are unknown, expired, spent, or another
// client's. Only the event says which it was.
func errCode(reason oidc.Reason) *oidc.Error {
	e := oidc.BadGrant(reason, "the authorization code is unknown, expired, used before or not this client's")
	e.Shown = "code_invalid"
	return e
}

// redeemCode redeems an authorization code. Refusals are *Error, mostly invalid_grant. A code
// that comes again ends what it yielded the first time (RFC 6749 section 4.1.2), even if its
// thief hangs up at once.
func (p *Service) redeemCode(ctx context.Context, c oidc.Client, q Request) (token.Tokens, error) {
	ctx, cancel := journal.ToTheEnd(ctx)
	defer cancel()
	code := oidc.SecretOf(q.Form.Get("code"))
	if !code.IsHandle() {
		return token.Tokens{}, errCode("code_malformed")
	}
	var g Authorization
	hash := code.Hash()
	_, err := p.c.Kept.Find(ctx, keptCode, hash, &g)
	if errors.Is(err, ephemeral.ErrGone) {
		return token.Tokens{}, p.codeGone(ctx, c, hash, q.RequestID, "code_unknown")
	}
	if err != nil {
		return token.Tokens{}, err
	}
	// If an expired code was spent before, this is a reuse: this node's clock must not hide it.
	if g.Client == c.ID && !time.Now().Before(g.Expires) {
		return token.Tokens{}, p.codeGone(ctx, c, hash, q.RequestID, "code_expired")
	}
	if err := g.check(c, q.Form); err != nil {
		return token.Tokens{}, p.wrong(ctx, c, &g, hash, err)
	}
	p.c.Step("code.checked")
	f, err := p.spendCode(ctx, c, &g, hash, q.RequestID)
	if err != nil {
		return token.Tokens{}, err
	}
	p.c.Step("code.spent")
	p.c.Kept.Forget(ctx, keptCode, hash)
	t := token.Tokens{}
	if g.About.Grant != "" {
		if t.Details, err = p.deliver(ctx, c, f, hash, q.RequestID); err != nil {
			return token.Tokens{}, err
		}
		p.c.Step("code.delivered")
	}
	if err := p.c.Tokens.Issue(ctx, c, f, f.About().Scopes, g.Nonce, &t); err != nil {
		return token.Tokens{}, err
	}
	return t, nil
}

// check checks who may redeem the code, and with what (RFC 6749 section 4.1.3,
// RFC 7636 section 4.6). A verifier for a code that has no challenge is refused:
// somebody took the challenge out of the request (RFC 9700 section 4.8.2).
func (g *Authorization) check(c oidc.Client, form url.Values) error {
	verifier := form.Get("code_verifier")
	switch {
	case g.Client != c.ID:
		return errCode(oidc.ReasonCodeClient)
	case g.RedirectURI != form.Get("redirect_uri"):
		return oidc.BadGrant(oidc.ReasonCodeRedirectURI, "redirect_uri is not the one of the authorization request")
	case g.Challenge == "" && verifier != "":
		return oidc.BadGrant(oidc.ReasonCodeVerifier, "there was no code_challenge in the authorization request")
	case g.Challenge == "" && !c.WithoutPKCE:
		return oidc.BadGrant(oidc.ReasonCodeVerifier, "the client is now registered to use PKCE; begin again")
	case g.Challenge != "" && !verifies(g.Challenge, verifier):
		return oidc.BadGrant(oidc.ReasonCodeVerifier, "code_verifier does not fit the code_challenge of the authorization request")
	}
	return nil
}

// wrong counts the wrong tries with a code by its own client, and ends the code with the
// third: no honest client needs more. Tries by another client don't count: otherwise
// anybody who has only read the code could end the login.
func (p *Service) wrong(ctx context.Context, c oidc.Client, g *Authorization, hash oidc.HandleHash, refusal error) error {
	if g.Client != c.ID {
		return refusal
	}
	n, err := p.c.Ephemeral.Count(ctx, keptWrong+hash.String(), 1, 2*codeLife, time.Now())
	if err != nil {
		return oidc.Unavailable(fmt.Errorf("counting tries with a code: %w", err))
	}
	if n < wrongTries {
		return refusal
	}
	if err := p.c.Ephemeral.Delete(ctx, keeper.KeyOf(keptCode, hash.String())); err != nil {
		return oidc.Unavailable(fmt.Errorf("ending a code: %w", err))
	}
	return oidc.BadGrant(oidc.ReasonCodeTries, "the authorization code was presented wrongly too often and has ended; begin again")
}

// verifies reports whether a code verifier fits a challenge (S256).
func verifies(challenge, verifier string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return oidc.SameText(challenge, base64.RawURLEncoding.EncodeToString(sum[:]))
}

// spendCode spends the code and stores the family that it yields, in one transaction. So
// no code is used twice, even if the ephemeral store loses or restores values.
func (p *Service) spendCode(ctx context.Context, c oidc.Client, g *Authorization, hash oidc.HandleHash, requestID string) (*token.Family, error) {
	session := g.Session
	if g.Offline {
		session = ""
	}
	// The session must live now, even for offline access: somebody who has just logged
	// out must not get it any more.
	err := p.c.Families.CheckAbout(ctx, g.Session, &g.About)
	if over, ok := errors.AsType[token.Over](err); ok {
		if over == token.OverRepresentation {
			return nil, oidc.BadGrant(oidc.ReasonRepresentationEnded, "the person does not represent any more whom they acted for; begin again")
		}
		return nil, oidc.BadGrant(oidc.Reason(over), "the login is over; begin again")
	}
	if err != nil {
		return nil, err
	}
	f, err := p.c.Families.New(ctx, c, session, g.Ends, g.About)
	if err != nil {
		return nil, err
	}
	e, err := p.c.Journal.Event(ctx, oidc.Actor{ID: c.ID, RequestID: requestID}.Did(journal.ActionCodeRedeem, f.ID, journal.ResultOK))
	if err != nil {
		return nil, err
	}
	first, err := p.c.Families.Redeem(ctx, hash, g.Ends.Add(spentKept), f, e)
	if errors.Is(err, token.ErrSpent) {
		return nil, p.codeReused(ctx, c, first, requestID)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// codeGone refuses a code that isn't stored any more, or that has expired. If it was used
// before, this is a reuse like any other; otherwise reason says what is wrong.
func (p *Service) codeGone(ctx context.Context, c oidc.Client, hash oidc.HandleHash, requestID string, reason oidc.Reason) error {
	spent, err := p.c.Families.IsSpent(ctx, hash)
	if err != nil {
		return err
	}
	if !spent {
		return errCode(reason)
	}
	// Spending the code again tells which family was the first. If the store forgot the
	// code just now, this stores a family that has ended already.
	now := time.Now().UTC()
	f, err := p.c.Families.New(ctx, c, "", now, token.About{})
	if err != nil {
		return err
	}
	f.Ended, f.EndedBy = now, session.EndedByCode
	first, err := p.c.Families.Redeem(ctx, hash, now, f)
	if errors.Is(err, token.ErrSpent) {
		return p.codeReused(ctx, c, first, requestID)
	}
	if err != nil {
		return err
	}
	return errCode(reason)
}

// codeReused ends what the first use of a code yielded, if the same client presents it
// again, and returns the refusal.
func (p *Service) codeReused(ctx context.Context, c oidc.Client, first, requestID string) error {
	f, err := p.c.Families.Read(ctx, first)
	if errors.Is(err, oidc.ErrNotFound) {
		return errCode(oidc.ReasonCodeReuse)
	}
	if err != nil {
		return err
	}
	if f.Client != c.ID {
		return errCode(oidc.ReasonCodeClient)
	}
	if err := p.c.Families.Revoke(ctx, c, f, oidc.Actor{ID: c.ID, RequestID: requestID}, journal.ActionCodeReuse, session.EndedByCode, oidc.GrantCodeReuse); err != nil {
		return err
	}
	return errCode(oidc.ReasonCodeReuse)
}

// deliver activates the grant of licenses. If that fails, it ends the family: there must
// be no login with only half of what was agreed to.
func (p *Service) deliver(ctx context.Context, c oidc.Client, f *token.Family, hash oidc.HandleHash, requestID string) (jsontext.Value, error) {
	if p.c.Licenses == nil {
		return nil, errors.New("redeeming a code: there is no resolver for its grant")
	}
	details, err := p.c.Licenses.Deliver(ctx, c, f.About().Grant, hash)
	if err == nil {
		return details, nil
	}
	ctx, cancel := journal.ToTheEnd(ctx) // ctx may have expired
	defer cancel()
	if ending := p.c.Families.End(ctx, f, oidc.Actor{ID: c.ID, RequestID: requestID}, journal.ActionFamilyEnd, session.EndedByDelivery); ending != nil {
		return nil, errors.Join(err, ending)
	}
	return nil, err
}
