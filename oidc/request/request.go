// Package request reads and checks requests to the authorization and logout endpoints, and says
// where the answers go. It stores nothing, and doesn't know who is logged in.
package request

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/token"
)

// Config says what a Reader works with.
type Config struct {
	Issuer  string
	Clients *client.Service
	Tokens  *token.Service // reads id_token_hint
	Details Details        // nil: authorization details aren't accepted
}

// Details reads authorization details; an [oidc.Resolver] has this method.
type Details interface {
	Read(ctx context.Context, c oidc.Client, detail jsontext.Value) (oidc.Detail, error)
}

// Reader reads requests, and says where their answers go. Safe for concurrent use.
type Reader struct {
	c Config
}

// New returns a reader.
func New(c Config) *Reader { return &Reader{c} }

// Request is an authorization request that passed all checks that are possible before
// somebody logs in.
type Request struct {
	ID     string `json:"id"` // random: no two are the same
	Client string `json:"client,omitempty"`
	Destination

	Nonce     string           `json:"nonce,omitempty"`
	Challenge string           `json:"challenge,omitempty"` // of PKCE, S256
	Scopes    []oidc.Scope     `json:"scopes,omitempty"`
	Prompts   []string         `json:"prompts,omitempty"`
	MaxAge    *int64           `json:"max_age,omitempty"` // seconds
	Assurance factor.Assurance `json:"assurance,omitempty"`
	Strength  factor.Assurance `json:"strength,omitempty"` // of the proofs alone; of pages of our own
	Direct    bool             `json:"direct,omitempty"`   // nothing counts that another device proved; of pages of our own
	LoginHint string           `json:"login_hint,omitempty"`
	UILocales []string         `json:"ui_locales,omitempty"`
	Hint      string           `json:"hint,omitempty"` // the subject that the id_token_hint names
	Detail    *oidc.Detail     `json:"detail,omitempty"`

	Path string `json:"path,omitempty"` // the page of our own site that asks, if no client does
	Back string `json:"back,omitempty"` // where somebody goes who gives that up, if they are logged in
}

// Destination is where an answer goes, and how.
type Destination struct {
	RedirectURI string            `json:"redirect_uri,omitempty"`
	Mode        oidc.ResponseMode `json:"mode,omitempty"`
	State       string            `json:"state,omitempty"`
}

// The values of the prompt parameter (OpenID Connect Core section 3.1.2.1).
const (
	PromptNone    = "none"
	PromptLogin   = "login"
	PromptConsent = "consent"
	PromptAccount = "select_account"
)

// Wants reports whether the prompt parameter has a value.
func (r *Request) Wants(value string) bool { return slices.Contains(r.Prompts, value) }

// Has reports whether the request asks for a scope.
func (r *Request) Has(s oidc.Scope) bool { return slices.Contains(r.Scopes, s) }

// GreatestAge returns the greatest age of the login, in seconds: max_age or, in a request without it,
// the client's default. Nil: any.
func (r *Request) GreatestAge(c oidc.Client) *int64 {
	if r.MaxAge != nil {
		return r.MaxAge
	}
	return c.DefaultMaxAge
}

// Portal reports whether a page of our own site asks, and no client.
func (r *Request) Portal() bool { return r.Client == "" }

// Hash returns the hash by which a license grant refers to the request.
func (r *Request) Hash() [32]byte { return sha256.Sum256([]byte(r.ID)) }

// Longest parameters, in bytes.
const (
	MaxState           = 2048
	maxNonceBytes      = 512
	maxText            = 256 // login_hint, ui_locales and others
	maxDetailBytes     = 16 << 10
	maxParametersBytes = 40 << 10 // all together: a stored request must fit in 64 KiB
	challengeLength    = 43       // the base64url of a SHA-256
)

// ParameterBounds returns the greatest lengths, in bytes, of those parameters of an
// authorization request that have a limit of their own, beside the limit of all together.
func ParameterBounds() map[string]int {
	return map[string]int{
		"redirect_uri": client.MaxURI, "state": MaxState, "nonce": maxNonceBytes, "id_token_hint": token.MaxHint, "login_hint": maxText,
		"ui_locales": maxText, "authorization_details": maxDetailBytes,
	}
}

// invalid refuses a request because of a parameter.
func invalid(reason oidc.Reason, description string) *oidc.Error {
	return &oidc.Error{Code: oidc.InvalidRequest, Description: description, Reason: reason}
}

// PageError refuses a request on a page of our own, because its origin can't be trusted.
func PageError(c *oidc.Client, e *oidc.Error) *oidc.RequestError {
	return &oidc.RequestError{Refusal: e, Client: c}
}

// Client returns the client that a request names. It refuses a client at which people
// can't log in.
func (p *Reader) Client(ctx context.Context, id string) (client.Standing, error) {
	if id == "" {
		return client.Standing{}, PageError(nil, &oidc.Error{Code: oidc.InvalidRequest, Description: "client_id is missing", Reason: "client_missing"})
	}
	s, err := p.c.Clients.Standing(ctx, id)
	if err == nil && !s.Client.Has(oidc.GrantCode) {
		s, err = p.c.Clients.NewStanding(ctx, id) // the grant type may have been registered a moment ago
	}
	if errors.Is(err, oidc.ErrNotFound) {
		return client.Standing{}, PageError(nil, &oidc.Error{Code: oidc.UnauthorizedClient, Description: "no client has this client_id", Reason: "client_unknown"})
	}
	if err != nil {
		return client.Standing{}, err
	}
	if reason, description := s.Refusal(); reason != "" {
		return client.Standing{}, PageError(nil, &oidc.Error{Code: oidc.UnauthorizedClient, Description: description, Reason: reason})
	}
	if !s.Client.Has(oidc.GrantCode) {
		return client.Standing{}, PageError(nil, &oidc.Error{Code: oidc.UnauthorizedClient, Description: "the client is not registered for the logins of people", Reason: "grant_type"})
	}
	return s, nil
}

// Parse checks the parameters of an authorization request (RFC 6749 section
// 4.1.1, OpenID Connect Core section 3.1.2.1). It ignores unknown parameters.
// Refusals are *RequestError.
func (p *Reader) Parse(ctx context.Context, s client.Standing, params oidc.Parameters, pushed bool) (Request, error) {
	r := Request{ID: oidc.NewHandle().Reveal(), Client: s.Client.ID}
	if err := r.readDestination(s.Client, params); err != nil {
		return Request{}, err
	}
	if err := p.readRest(ctx, &r, s.Client, params, pushed); err != nil {
		e, ok := errors.AsType[*oidc.Error](err)
		if !ok {
			return Request{}, err
		}
		return Request{}, p.Refusal(&r, s.Client, e)
	}
	return r, nil
}

// ParsePushed is Parse for the parameters that an authenticated client pushes (RFC 9126). Each
// refusal is an *Error or unwraps to one: there is no browser that could take it to the client.
func (p *Reader) ParsePushed(ctx context.Context, c oidc.Client, params oidc.Parameters) (Request, error) {
	if id := params["client_id"]; id != "" && id != c.ID {
		return Request{}, invalid("client_id_differs", "client_id is not the authenticated client")
	}
	s, err := p.Client(ctx, c.ID)
	if err != nil {
		return Request{}, err
	}
	r, err := p.Parse(ctx, s, params, true)
	if e, ok := errors.AsType[*oidc.RequestError](err); ok && e.Differs != "" {
		return Request{}, &oidc.Error{Code: e.Refusal.Code, Description: e.Refusal.Description + ": " + e.Differs, Reason: e.Refusal.Reason}
	}
	return r, err
}

// readDestination finds out where an answer may go. It reads state and mode before the
// other parameters, so that the client gets the refusals of these.
func (r *Request) readDestination(c oidc.Client, params oidc.Parameters) error {
	total := 0
	for name, value := range params {
		total += len(name) + len(value)
	}
	if total > maxParametersBytes {
		return PageError(&c, &oidc.Error{Code: oidc.InvalidRequest, Description: "the parameters are longer than 40 KiB", Reason: "too_large"})
	}
	params = withObject(params)
	uri := params["redirect_uri"]
	if uri == "" {
		return PageError(&c, &oidc.Error{Code: oidc.InvalidRequest, Description: "redirect_uri is missing", Reason: "redirect_uri_missing"})
	}
	// Anybody can have made the link: the URI is shown only if it has the form of a URI.
	if !client.IsURI(uri) {
		return PageError(&c, &oidc.Error{Code: oidc.InvalidRequest, Description: "redirect_uri is not an absolute URI in ASCII of at most 512 characters", Reason: oidc.ReasonRedirectURIInvalid})
	}
	if !client.Redirects(c, uri) {
		e := PageError(&c, &oidc.Error{Code: oidc.InvalidRequest, Description: "redirect_uri is not one that is registered", Reason: oidc.ReasonRedirectURIUnregistered})
		e.Received, e.Differs = uri, client.Differs(c.RedirectURIs, uri)
		return e
	}
	r.RedirectURI, r.Mode = uri, oidc.ModeQuery
	if params["response_mode"] == string(oidc.ModeFormPost) && client.WebURI(uri) {
		r.Mode = oidc.ModeFormPost
	}
	if state := params["state"]; IsVisible(state) && len(state) <= MaxState {
		r.State = state
	}
	return nil
}

// withObject adds the parameters of a request object (OpenID Connect Core section 6.1) that
// say where its refusal goes. Request objects are not supported, and nothing else of them is
// read. The object's signature isn't checked: anybody could send the same parameters without
// an object.
func withObject(params oidc.Parameters) oidc.Parameters {
	parts := strings.Split(params["request"], ".")
	if len(parts) != 3 {
		return params
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || !shallow(string(payload)) {
		return params
	}
	var object struct {
		RedirectURI  string `json:"redirect_uri"`
		ResponseMode string `json:"response_mode"`
		State        string `json:"state"`
	}
	if json.Unmarshal(payload, &object) != nil {
		return params
	}
	params = maps.Clone(params)
	for name, value := range map[string]string{"redirect_uri": object.RedirectURI, "response_mode": object.ResponseMode, "state": object.State} {
		if value != "" { // the object's parameters take precedence
			params[name] = value
		}
	}
	return params
}

// readRest reads the other parameters, once it is known where a refusal goes.
func (p *Reader) readRest(ctx context.Context, r *Request, c oidc.Client, params oidc.Parameters, pushed bool) error {
	if err := checkForm(c, params, pushed, r.State); err != nil {
		return err
	}
	if err := r.readPKCE(c, params); err != nil {
		return err
	}
	if err := r.readScopes(c, params["scope"]); err != nil {
		return err
	}
	if err := r.readLogin(params); err != nil {
		return err
	}
	if resource := params["resource"]; resource != "" && resource != p.c.Issuer {
		return &oidc.Error{Code: oidc.InvalidTarget, Description: "no such resource; leave the parameter out for the API of this service", Reason: "resource_unknown"}
	}
	if hint := params["id_token_hint"]; hint != "" {
		t, err := p.c.Tokens.ReadHint(ctx, hint)
		if err != nil {
			return err
		}
		if t.Audience != c.ID {
			return &oidc.Error{Code: oidc.InvalidRequest, Description: "id_token_hint is an ID token of another client", Reason: "hint_audience"}
		}
		r.Hint = t.Subject
	}
	return p.readDetails(ctx, r, c, params["authorization_details"], pushed)
}

// checkForm checks the parameters that say how the request came and how its answer goes back.
func checkForm(c oidc.Client, params oidc.Parameters, pushed bool, state string) error {
	switch {
	case params["request"] != "": // before state, which may come from the object
		return &oidc.Error{Code: oidc.RequestNotSupported, Description: "request objects are not supported; push the parameters instead", Reason: "request_unsupported"}
	case params["state"] != state:
		return invalid("state_invalid", "state has at most 2048 bytes of visible ASCII")
	case params["registration"] != "":
		return &oidc.Error{Code: oidc.RegistrationNotSupported, Description: "clients are registered by the operator", Reason: "registration_unsupported"}
	case params["request_uri"] != "":
		return &oidc.Error{Code: oidc.InvalidRequestURI, Description: "request_uri is one that the pushed authorization request endpoint returned", Reason: "request_uri_invalid"}
	case params["response_type"] == "":
		return invalid("response_type_missing", "response_type is missing")
	case params["response_type"] != "code":
		return &oidc.Error{Code: oidc.UnsupportedResponseType, Description: "the response type is code", Reason: "response_type_unsupported"}
	case params["response_mode"] != "" && params["response_mode"] != string(oidc.ModeQuery) && params["response_mode"] != string(oidc.ModeFormPost):
		return invalid("response_mode_invalid", "the response modes are query and form_post")
	case params["response_mode"] == string(oidc.ModeFormPost) && !client.WebURI(params["redirect_uri"]):
		return invalid("response_mode_redirect", "response_mode form_post needs a redirect_uri of http or https")
	case c.RequirePAR && !pushed:
		return &oidc.Error{Code: oidc.InvalidRequest, Description: "the client is registered to push its requests (RFC 9126)", Reason: "par_required"}
	}
	return nil
}

// readPKCE reads the code challenge (RFC 7636). It accepts only S256. A client must be
// registered to go without PKCE, so that nobody can downgrade a request.
func (r *Request) readPKCE(c oidc.Client, params oidc.Parameters) error {
	challenge, method := params["code_challenge"], params["code_challenge_method"]
	if challenge == "" && method == "" && c.WithoutPKCE {
		return nil
	}
	switch {
	case challenge == "":
		return &oidc.Error{Code: oidc.InvalidRequest, Description: "code_challenge is missing (RFC 7636)", Reason: "pkce_required"}
	case method != "S256":
		return &oidc.Error{Code: oidc.InvalidRequest, Description: "code_challenge_method is S256", Reason: "pkce_method"}
	}
	if b, err := base64.RawURLEncoding.Strict().DecodeString(challenge); err != nil || len(challenge) != challengeLength || len(b) != sha256.Size {
		return &oidc.Error{Code: oidc.InvalidRequest, Description: "code_challenge is the base64url of a SHA-256, 43 characters", Reason: "pkce_challenge"}
	}
	r.Challenge = challenge
	return nil
}

// readScopes reads the scopes of a login. It ignores unknown scopes (OpenID Connect Core
// section 3.1.2.1); the client must be registered for the others.
func (r *Request) readScopes(c oidc.Client, param string) error {
	scopes, err := oidc.ParseScopes(param)
	if err != nil {
		return err
	}
	for _, s := range scopes {
		switch {
		case !s.Known():
		case !s.OfPerson():
			return &oidc.Error{Code: oidc.InvalidScope, Description: "one of these scopes is for a client that acts for itself, with client_credentials", Reason: "scope_of_client"}
		case !slices.Contains(c.Scopes, s):
			return &oidc.Error{Code: oidc.InvalidScope, Description: "the client is not registered for one of these scopes", Reason: "scope_unregistered"}
		default:
			r.Scopes = append(r.Scopes, s)
		}
	}
	return nil
}

// readLogin reads the parameters about the login and its pages.
func (r *Request) readLogin(params oidc.Parameters) error {
	r.Nonce, r.LoginHint = params["nonce"], params["login_hint"]
	locales, listed := Locales(params["ui_locales"])
	switch {
	case len(r.Nonce) > maxNonceBytes || !oidc.IsText(r.Nonce):
		return invalid("nonce_invalid", "nonce has at most 512 bytes, without control characters")
	case len(r.LoginHint) > maxText || !oidc.IsText(r.LoginHint):
		return invalid("login_hint_invalid", "login_hint has at most 256 bytes, without control characters")
	case !listed:
		return invalid("ui_locales_invalid", "ui_locales is a list of language tags of at most 256 bytes")
	case len(params["prompt"]) > maxText:
		return invalid("prompt_invalid", "prompt has at most 256 bytes")
	case len(params["acr_values"]) > 4*maxText:
		return invalid("acr_values_invalid", "acr_values has at most 1024 bytes")
	}
	r.UILocales = locales
	r.Prompts = oidc.Distinct(strings.Fields(params["prompt"]))
	for _, value := range r.Prompts {
		if value != PromptNone && value != PromptLogin && value != PromptConsent && value != PromptAccount {
			return invalid("prompt_invalid", "the prompts are none, login, consent and select_account")
		}
	}
	if r.Wants(PromptNone) && len(r.Prompts) > 1 {
		return invalid("prompt_none", "prompt none stands alone")
	}
	if age := params["max_age"]; age != "" {
		n, err := strconv.ParseInt(age, 10, 32)
		if err != nil || n < 0 || strings.HasPrefix(age, "+") {
			return invalid("max_age_invalid", "max_age is a number of seconds")
		}
		r.MaxAge = &n
	}
	r.Assurance = leastAssurance(params["acr_values"])
	return nil
}

// Locales reads the parameter ui_locales (OpenID Connect Core section 3.1.2.1). It returns
// false if the parameter can't be a list of language tags.
func Locales(param string) ([]string, bool) {
	if len(param) > maxText || !IsVisible(param) {
		return nil, false
	}
	return strings.Fields(param), true
}

// IsVisible reports whether s is ASCII without control characters (RFC 6749
// appendix A: VSCHAR).
func IsVisible(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}

// IsPath reports whether a text is a path of this site with its query, which no
// browser mistakes for another site.
func IsPath(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && len(s) <= MaxState && IsVisible(s) &&
		!strings.ContainsAny(s, `\#`)
}

// leastAssurance returns the least assurance that acr_values names, or 0 if it names
// none. Unknown values are ignored.
func leastAssurance(param string) (least factor.Assurance) {
	for value := range strings.FieldsSeq(param) {
		for n := factor.Assurance(1); n <= 3; n++ {
			if value == oidc.ACR(n) && (least == 0 || n < least) {
				least = n
			}
		}
	}
	return least
}

// Refusal returns a refusal that goes back to the client.
func (p *Reader) Refusal(r *Request, c oidc.Client, e *oidc.Error) *oidc.RequestError {
	return &oidc.RequestError{Refusal: e, Client: &c, Response: p.ErrorResponse(&r.Destination, e)}
}

// View returns the request as pages show it.
func (r *Request) View(s client.Standing) oidc.RequestView {
	return oidc.RequestView{
		Portal: r.Portal(), Path: r.Path, Back: r.Back, Client: s.Client, Participant: s.Participant, LoginHint: r.LoginHint,
		UILocales: r.UILocales, Licenses: r.Detail != nil, Direct: r.Direct, RedirectURI: r.RedirectURI,
	}
}
