package upstream

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing/jose"
)

// metadata is what is read of a provider's document (OpenID Connect Discovery section 3).
type metadata struct {
	Issuer    string `json:"issuer"`
	Authorize string `json:"authorization_endpoint"`
	Token     string `json:"token_endpoint"`
	Keys      string `json:"jwks_uri"`
	UserInfo  string `json:"userinfo_endpoint"`
	SaysWho   bool   `json:"authorization_response_iss_parameter_supported"` // RFC 9207
}

// knowledge is what was learned of a provider. Whoever learns more holds the lock.
type knowledge struct {
	lock     chan struct{} // of one: who waits for it can give up
	metadata metadata
	learned  time.Time // zero: never
	tried    time.Time // when that failed last
	keys     []jose.Key
	keysAt   time.Time // zero: never
	keysLost time.Time // when that failed last
}

const (
	learnedLife  = time.Hour        // how long it is believed
	learnedStale = 24 * time.Hour   // how long if the provider doesn't say it again
	againAfter   = 5 * time.Second  // how soon a provider is asked again that didn't answer
	keysAgain    = 30 * time.Second // how soon keys are read again because of a token with an unknown one
	maxKeys      = 100
	skew         = time.Minute // how far the provider's clock may be from ours
)

// discovered returns what the provider says of itself. *Error: upstream_away, upstream_wrong.
func (p *peer) discovered(ctx context.Context) (metadata, error) {
	k := &p.known
	select {
	case k.lock <- struct{}{}:
		defer func() { <-k.lock }()
	case <-ctx.Done():
		return metadata{}, ctx.Err()
	}
	now := time.Now()
	fresh := !k.learned.IsZero() && now.Sub(k.learned) < learnedLife
	usable := !k.learned.IsZero() && now.Sub(k.learned) < learnedStale
	if fresh || usable && now.Sub(k.tried) < againAfter {
		return k.metadata, nil
	}
	if now.Sub(k.tried) < againAfter {
		return metadata{}, refuse(ReasonAway, errors.New("it didn't answer just now"))
	}
	m, err := p.discover(ctx)
	switch {
	case err == nil:
		if m.Keys != k.metadata.Keys {
			k.keys, k.keysAt, k.keysLost = nil, time.Time{}, time.Time{}
		}
		k.metadata, k.learned, k.tried = m, now, time.Time{}
	case ctx.Err() != nil: // the person didn't wait
		return metadata{}, err
	default:
		k.tried = time.Now()
		if !usable {
			return metadata{}, err
		}
	}
	return k.metadata, nil
}

// cut bounds what is logged of a URL.
func cut(text string) string { return text[:min(len(text), 200)] }

// discover reads the provider's document. Its issuer must be the one that is registered (section 4.3).
func (p *peer) discover(ctx context.Context) (m metadata, err error) {
	if err := p.read(ctx, Question{URL: strings.TrimSuffix(p.OpenID.Issuer, "/") + "/.well-known/openid-configuration"}, &m); err != nil {
		return metadata{}, err
	}
	if m.Issuer != p.OpenID.Issuer {
		return metadata{}, refuse(ReasonWrong, fmt.Errorf("its document names the issuer %q, and openid.issuer is %q", cut(m.Issuer), p.OpenID.Issuer))
	}
	urls := map[string]string{"authorization_endpoint": m.Authorize, "token_endpoint": m.Token, "jwks_uri": m.Keys}
	if p.OpenID.UserInfo {
		urls["userinfo_endpoint"] = m.UserInfo
	}
	for name, u := range urls {
		if err := checkURL(u, p.Private); err != nil {
			return metadata{}, refuse(ReasonWrong, fmt.Errorf("its document's %s: %w", name, err))
		}
	}
	return m, nil
}

// Probe asks an OpenID provider for what it says of itself and for its keys, as a login would; of a ticket
// platform it asks nothing. *Error: upstream_away, upstream_wrong.
func Probe(ctx context.Context, p Provider, o Outside) error {
	if p.OpenID == nil {
		return nil
	}
	asked := newPeer(p, o)
	m, err := asked.discovered(ctx)
	if err == nil {
		_, err = asked.signers(ctx, m, false)
	}
	return err
}

// signers returns the provider's keys. If renew is set, it asks for them again, unless it did so just now. A provider
// that doesn't answer rests for a while, and its keys of up to a day ago are good.
func (p *peer) signers(ctx context.Context, m metadata, renew bool) ([]jose.Key, error) {
	k := &p.known
	select {
	case k.lock <- struct{}{}:
		defer func() { <-k.lock }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	age := time.Since(k.keysAt)
	usable := !k.keysAt.IsZero() && age < learnedStale
	if usable && age < learnedLife && !(renew && age >= keysAgain) {
		return k.keys, nil
	}
	err := refuse(ReasonAway, errors.New("its keys could not be read just now"))
	if time.Since(k.keysLost) >= againAfter {
		var keys []jose.Key
		if keys, err = p.readKeys(ctx, m); err == nil {
			k.keys, k.keysAt = keys, time.Now()
			return keys, nil
		}
		if ctx.Err() == nil { // otherwise the person didn't wait
			k.keysLost = time.Now()
		}
	}
	if usable {
		return k.keys, nil
	}
	return nil, err
}

func (p *peer) readKeys(ctx context.Context, m metadata) ([]jose.Key, error) {
	var raw jsontext.Value
	if err := p.read(ctx, Question{URL: m.Keys}, &raw); err != nil {
		return nil, err
	}
	keys, err := jose.ParseKeySet(raw, maxKeys)
	if err != nil {
		return nil, refuse(ReasonWrong, err)
	}
	return keys, nil
}

// read asks the provider for a JSON object.
func (p *peer) read(ctx context.Context, q Question, into any) error {
	status, body, err := p.ask(ctx, q)
	if err != nil {
		return err
	}
	switch {
	case status >= 500 || status == 429:
		return refuse(ReasonAway, fmt.Errorf("it answers with status %d", status))
	case status != 200:
		return refuse(ReasonWrong, fmt.Errorf("it answers with status %d", status))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return refuse(ReasonWrong, errors.New("its answer is not the JSON that was asked for"))
	}
	return nil
}

// ask asks the provider, unless too many questions to it are under way.
func (p *peer) ask(ctx context.Context, q Question) (int, []byte, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	default:
		return 0, nil, refuse(ReasonAway, errors.New("too many questions to it are under way"))
	}
	asking, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	status, body, err := p.outside.Ask(asking, q)
	if err != nil {
		return 0, nil, refuse(ReasonAway, err)
	}
	return status, body, nil
}

// openID judges what a browser brings back from an OpenID provider, and returns who it says that the person is.
func (s *Service) openID(ctx context.Context, p *peer, a attempt, answer map[string]string) (Person, error) {
	m, err := p.discovered(ctx)
	if err != nil {
		return Person{}, err
	}
	// RFC 9207 section 2.4: before anything else of the answer counts, an error of it, too.
	if iss := answer["iss"]; iss != p.OpenID.Issuer && (iss != "" || m.SaysWho) {
		return Person{}, refuse(ReasonWrong, errors.New("the answer came from another issuer, or doesn't say from which"))
	}
	if answer["error"] != "" {
		return Person{}, refuse(ReasonDenied, errors.New("it answers with an error"))
	}
	if err := s.spend(ctx, p, answer["code"]); err != nil {
		return Person{}, err
	}
	token, access, err := p.exchange(ctx, m, a, answer["code"], s.back(p))
	if err != nil {
		return Person{}, err
	}
	claims, err := p.idToken(ctx, m, token)
	if err != nil {
		return Person{}, err
	}
	if err := p.checkClaims(claims, a, access); err != nil {
		return Person{}, refuse(ReasonWrong, err)
	}
	if p.OpenID.UserInfo {
		if err := p.userInfo(ctx, m, access, claims); err != nil {
			return Person{}, err
		}
	}
	c := p.OpenID.Claims
	seconds, _ := strconv.ParseFloat(claims.Text("auth_time"), 64) // 0 if it is none
	return p.person(saying{
		subject: claims.Subject, name: claims.Text(c.Name), code: claims.Text(c.Code), codeType: claims.Text(c.CodeType), phone: claims.Text(c.Phone),
		level: claims.Text(p.Levels.Claim), authTime: seconds,
	}, c)
}

// exchange exchanges a code for an ID token and an access token (OpenID Connect Core section 3.1.3).
func (p *peer) exchange(ctx context.Context, m metadata, a attempt, code, back string) (token, access string, err error) {
	q := Question{URL: m.Token, Form: []Field{
		{"grant_type", "authorization_code"}, {"code", code}, {"redirect_uri", back}, {"code_verifier", a.Verifier},
	}}
	if p.OpenID.Authentication == "client_secret_post" {
		q.Form = append(q.Form, Field{"client_id", p.OpenID.ClientID}, Field{"client_secret", p.OpenID.secret})
	} else { // RFC 6749 section 2.3.1
		q.User, q.Password = url.QueryEscape(p.OpenID.ClientID), url.QueryEscape(p.OpenID.secret)
	}
	var tokens struct {
		ID     string `json:"id_token"`
		Access string `json:"access_token"`
		Type   string `json:"token_type"`
	}
	if err := p.read(ctx, q, &tokens); err != nil {
		return "", "", err
	}
	if tokens.ID == "" || !strings.EqualFold(tokens.Type, "Bearer") && tokens.Access != "" {
		return "", "", refuse(ReasonWrong, errors.New("it gave no ID token, or an access token of another type"))
	}
	return tokens.ID, tokens.Access, nil
}

// idToken verifies an ID token (section 3.1.3.7). If no key fits, the keys are read once more: they may
// have been changed.
func (p *peer) idToken(ctx context.Context, m metadata, token string) (*jose.ForeignClaims, error) {
	for _, renew := range []bool{false, true} {
		keys, err := p.signers(ctx, m, renew)
		if err != nil {
			return nil, err
		}
		claims, err := jose.ParseForeign(token, jose.Foreign{
			Algorithms: p.OpenID.Algorithms, Keys: keys, Issuer: p.OpenID.Issuer, Audience: p.OpenID.ClientID, Leeway: skew,
		})
		if err == nil {
			return claims, nil
		}
		if e, ok := errors.AsType[*jose.TokenError](err); !ok || renew || e.Reason != jose.ReasonKey && e.Reason != jose.ReasonSignature {
			return nil, refuse(ReasonWrong, err)
		}
	}
	panic("not reached")
}

// maxSubject is how many bytes a subject has at most (section 2).
const maxSubject = 255

// checkClaims checks what is left of section 3.1.3.7.
func (p *peer) checkClaims(c *jose.ForeignClaims, a attempt, access string) error {
	party := c.Text("azp")
	switch {
	case c.Text("nonce") != a.Nonce:
		return errors.New("the ID token has another nonce")
	case party != "" && party != p.OpenID.ClientID || party == "" && len(c.Audience) > 1:
		return errors.New("the ID token was made for another client")
	case c.Subject == "" || len(c.Subject) > maxSubject:
		return errors.New("the ID token has no subject, or one that is too long")
	case time.Since(time.Unix(int64(c.Issued), 0)) > Life:
		return errors.New("the ID token is an old one")
	}
	if hash := c.Text("at_hash"); hash != "" && access != "" { // all algorithms that are accepted have SHA-256
		sum := sha256.Sum256([]byte(access))
		if hash != base64.RawURLEncoding.EncodeToString(sum[:16]) {
			return errors.New("the access token is not that of the ID token")
		}
	}
	return nil
}

// userInfo adds the claims that the ID token lacks (section 5.3). They must be of the same subject.
func (p *peer) userInfo(ctx context.Context, m metadata, access string, c *jose.ForeignClaims) error {
	if access == "" {
		return refuse(ReasonWrong, errors.New("it gave no access token"))
	}
	more := map[string]jsontext.Value{}
	if err := p.read(ctx, Question{URL: m.UserInfo, Bearer: access}, &more); err != nil {
		return err
	}
	all := jose.ForeignClaims{Others: more}
	if all.Text("sub") != c.Subject {
		return refuse(ReasonWrong, errors.New("userinfo is about somebody else"))
	}
	// What decides how much is believed stands in the ID token alone, which is signed for this login.
	for _, fixed := range []string{"sub", "auth_time", p.Levels.Claim} {
		delete(more, fixed)
	}
	if c.Others == nil {
		c.Others = map[string]jsontext.Value{}
	}
	for name, value := range more {
		if _, there := c.Others[name]; !there {
			c.Others[name] = value
		}
	}
	return nil
}

// checkTime checks when somebody logged in at the provider, the zero time if it doesn't say, against what
// was asked for.
func (a *attempt) checkTime(authTime time.Time, now time.Time) error {
	switch {
	case authTime.After(now.Add(skew)):
		return refuse(ReasonWrong, errors.New("the login there is in the future"))
	case a.Anew && authTime.Before(a.Began.Add(-skew)):
		return refuse(ReasonOld, errors.New("the person didn't log in anew there"))
	case a.MaxAge != nil && a.Began.Sub(authTime) > time.Duration(*a.MaxAge)*time.Second+skew: // as it was when we asked
		return refuse(ReasonOld, errors.New("the login there is older than was asked for"))
	}
	return nil
}
