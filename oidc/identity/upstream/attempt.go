package upstream

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Start says how a login at another provider begins.
type Start struct {
	Provider  string
	Browser   string     // a secret of the browser: no other one can finish
	Request   string     // the handle of the request in which they log in
	MaxAge    *int64     // the greatest age of the login there, in seconds; nil: any
	Anew      bool       // they must log in anew
	Language  string     // such as zh-CN
	Address   netip.Addr // the browser's
	RequestID string
}

// attempt is a login at another provider, under way. It is stored sealed, under the hash of its state.
type attempt struct {
	Provider string    `json:"provider"`
	Browser  []byte    `json:"browser"` // SHA-256
	Request  string    `json:"request"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"` // of PKCE (RFC 7636)
	MaxAge   *int64    `json:"max_age,omitempty"`
	Anew     bool      `json:"anew,omitempty"`
	Began    time.Time `json:"began"`
	Used     bool      `json:"used,omitempty"` // it came back
}

// Life is how long people may take to log in at the other provider.
const Life = 10 * time.Minute

func keyOf(state string) string {
	sum := sha256.Sum256([]byte(state))
	return "identity.upstream." + hex.EncodeToString(sum[:])
}

func attemptPlace(key string) vault.Place {
	return vault.Place{Table: "ephemeral", Row: key, Column: "upstream"}
}

// random returns 256 random bits as 43 characters.
func random() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Begin begins a login at a provider, and returns the address to which the browser goes. *Error: upstream_away,
// upstream_old if the login must be a new one and the provider can't promise that, unavailable.
// identity.ErrNotFound if there is no such provider.
func (s *Service) Begin(ctx context.Context, b Start) (string, error) {
	p := s.peers[b.Provider]
	if p == nil {
		return "", identity.ErrNotFound
	}
	if (b.Anew || b.MaxAge != nil) && !p.fresh() {
		return "", refuse(ReasonOld, nil)
	}
	sum := sha256.Sum256([]byte(b.Browser))
	a := attempt{
		Provider: p.ID, Browser: sum[:], Request: b.Request, Nonce: random(), Verifier: random(), MaxAge: b.MaxAge, Anew: b.Anew, Began: time.Now().UTC(),
	}
	state := random()
	to, err := p.address(ctx, s, state, &a, b.Language)
	if err != nil {
		s.c.Journal.Noted(ctx, identity.Did("", journal.ActionLoginUpstream, "", b.RequestID, identity.ReasonOf(err)))
		return "", s.logged(ctx, p, err)
	}
	owner, err := ephemeral.OwnerOf(ctx, s.c.Vault, ephemeral.NetworkOf(b.Address))
	if err != nil {
		return "", err
	}
	key := keyOf(state)
	sealed, err := s.c.Vault.SealJSON(ctx, attemptPlace(key), a)
	if err != nil {
		return "", err
	}
	if err := s.c.Ephemeral.Put(ctx, key, sealed, ephemeral.Keeping{Part: ephemeral.PartOpened, Owner: owner, Until: a.Began.Add(Life)}, a.Began); err != nil {
		return "", tries.Unavailable(err)
	}
	return to, nil
}

// back returns where a provider sends people: each has an address of its own, so that the answer of one
// is never taken for another's (RFC 9700 section 4.4.2.2).
func (s *Service) back(p *peer) string { return s.c.URL + "/login/upstream/" + p.ID }

// address returns where the browser goes.
func (p *peer) address(ctx context.Context, s *Service, state string, a *attempt, language string) (string, error) {
	if p.Ticket != nil {
		return p.Ticket.address(s.back(p), state, a.Anew || a.MaxAge != nil)
	}
	found, err := p.discovered(ctx)
	if err != nil {
		return "", err
	}
	challenge := sha256.Sum256([]byte(a.Verifier))
	q := []Field{
		{"response_type", "code"}, {"client_id", p.OpenID.ClientID}, {"redirect_uri", s.back(p)}, {"scope", strings.Join(p.OpenID.Scopes, " ")},
		{"state", state}, {"nonce", a.Nonce}, {"code_challenge", base64.RawURLEncoding.EncodeToString(challenge[:])}, {"code_challenge_method", "S256"},
	}
	if len(p.OpenID.ACRValues) > 0 {
		q = append(q, Field{"acr_values", strings.Join(p.OpenID.ACRValues, " ")})
	}
	if language != "" {
		q = append(q, Field{"ui_locales", language})
	}
	if a.Anew {
		q = append(q, Field{"prompt", "login"})
	}
	if a.MaxAge != nil {
		q = append(q, Field{"max_age", strconv.FormatInt(*a.MaxAge, 10)})
	}
	return withQuery(found.Authorize, q)
}

// withQuery adds parameters to an address.
func withQuery(to string, fields []Field) (string, error) {
	u, err := url.Parse(to)
	if err != nil {
		return "", refuse(ReasonWrong, err)
	}
	q := u.Query()
	for _, f := range fields {
		q.Set(f.Name, f.Value)
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Return is a browser that comes back from a provider.
type Return struct {
	Provider  string            // whose address it came to
	Browser   string            // as of [Start]
	Answer    map[string]string // the parameters of the address, each given once
	RequestID string
}

// stateOf returns the state that a browser brings back. Of a ticket platform without a parameter for it, it
// stands in the address to which the platform leads.
func (p *Provider) stateOf(r Return) string {
	if p.Ticket != nil && p.Ticket.StateParam != "" {
		return r.Answer[p.Ticket.StateParam]
	}
	return r.Answer["state"]
}

// Request returns the handle of the request in which a browser that comes back logs in. *Error:
// upstream_stale if it began nothing here, or in another browser; unavailable.
func (s *Service) Request(ctx context.Context, r Return) (string, error) {
	_, a, _, err := s.find(ctx, r)
	return a.Request, err
}

// find returns the attempt that a browser brings back, opened and sealed.
func (s *Service) find(ctx context.Context, r Return) (*peer, attempt, []byte, error) {
	p := s.peers[r.Provider]
	if p == nil {
		return nil, attempt{}, nil, refuse(ReasonStale, errors.New("there is no such provider"))
	}
	state := p.stateOf(r)
	if len(state) != 43 {
		return p, attempt{}, nil, refuse(ReasonStale, errors.New("no state came back"))
	}
	key := keyOf(state)
	sealed, err := s.c.Ephemeral.Load(ctx, key, time.Now())
	if errors.Is(err, ephemeral.ErrGone) {
		return p, attempt{}, nil, refuse(ReasonStale, err)
	}
	if err != nil {
		return p, attempt{}, nil, tries.Unavailable(err)
	}
	var a attempt
	if err := s.c.Vault.OpenJSON(ctx, attemptPlace(key), sealed, &a); err != nil {
		return p, attempt{}, nil, err
	}
	sum := sha256.Sum256([]byte(r.Browser))
	if r.Browser == "" || string(a.Browser) != string(sum[:]) || a.Provider != p.ID {
		return p, attempt{}, nil, refuse(ReasonStale, errors.New("the state is another browser's, or another provider's"))
	}
	return p, a, sealed, nil
}

// take uses an attempt up: of two browsers that come back with one state, or one that comes twice, one
// is let in.
func (s *Service) take(ctx context.Context, r Return) (*peer, attempt, error) {
	p, a, sealed, err := s.find(ctx, r)
	if err != nil {
		return p, a, err
	}
	if a.Used {
		return p, a, refuse(ReasonStale, errors.New("the state was used before"))
	}
	used := a
	used.Used = true
	key := keyOf(p.stateOf(r))
	renewed, err := s.c.Vault.SealJSON(ctx, attemptPlace(key), used)
	if err != nil {
		return p, a, err
	}
	err = s.c.Ephemeral.Swap(ctx, key, sealed, renewed, ephemeral.Keeping{}, time.Now())
	if errors.Is(err, ephemeral.ErrChanged) || errors.Is(err, ephemeral.ErrGone) {
		return p, a, refuse(ReasonStale, err)
	}
	if err != nil {
		return p, a, tries.Unavailable(err)
	}
	return p, a, nil
}

// spend makes sure that a code or a ticket is used once, whatever the provider does, and whatever was lost
// of the attempts.
func (s *Service) spend(ctx context.Context, p *peer, once string) error {
	if once == "" || len(once) > maxOnce || strings.ContainsFunc(once, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return refuse(ReasonWrong, errors.New("no code came back, or one that is too long, or has spaces"))
	}
	hash := sha256.Sum256([]byte("upstream " + p.ID + " " + once))
	first, err := s.c.Spend(ctx, hash, time.Now().Add(spentLife))
	if err != nil {
		return tries.Unavailable(err)
	}
	if !first {
		return refuse(ReasonStale, errors.New("the code was used before"))
	}
	return nil
}

const (
	maxOnce   = 4 << 10            // bytes of a code or a ticket
	spentLife = 7 * 24 * time.Hour // how long one is remembered
)

// logged writes down why a login was refused, for the operator, without anything that the provider said of the person.
func (s *Service) logged(ctx context.Context, p *peer, err error) error {
	if e, ok := errors.AsType[*identity.Error](err); ok && p != nil && slices.Contains([]identity.Reason{ReasonAway, ReasonWrong, ReasonOld, ReasonLow, ReasonType, ReasonUnlinked}, e.Reason) {
		s.c.Log.WarnContext(ctx, "a login with another provider was refused", "provider", p.ID, "reason", e.Reason, "error", e.Err)
	}
	return err
}
