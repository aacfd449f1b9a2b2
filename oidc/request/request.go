// Package request reads what comes to the authorization and logout endpoints: what may be
// asked, what for, and where the answers go. It keeps nothing, and knows nobody who logs in.
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
	Tokens  *token.Service // reads ID tokens that are hints
	Details Details        // nil: no authorization details are taken
}

// Details reads authorization details; [oidc.Resolver] does.
type Details interface {
	Read(ctx context.Context, c oidc.Client, detail jsontext.Value) (oidc.Detail, error)
}

// Reader reads requests, and says where their answers go. Safe for concurrent use.
type Reader struct {
	c Config
}

// New returns a reader.
func New(c Config) *Reader { return &Reader{c} }

// Request is an authorization request that passed every check that needs
// nobody to be logged in.
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
	LoginHint string           `json:"login_hint,omitempty"`
	UILocales []string         `json:"ui_locales,omitempty"`
	Hint      string           `json:"hint,omitempty"` // the subject that the id_token_hint names
	Detail    *oidc.Detail     `json:"detail,omitempty"`

	Path string `json:"path,omitempty"` // no client asks, but a page of ours
}

// Destination is where an answer goes.
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

// Wants reports whether a value is among those of the prompt parameter.
func (r *Request) Wants(value string) bool { return slices.Contains(r.Prompts, value) }

// Has reports whether a scope is asked for.
func (r *Request) Has(s oidc.Scope) bool { return slices.Contains(r.Scopes, s) }

// Portal reports whether a page of ours asks.
func (r *Request) Portal() bool { return r.Client == "" }

// Hash stands for the request in a license grant.
func (r *Request) Hash() [32]byte { return sha256.Sum256([]byte(r.ID)) }

// Longest parameters, in bytes.
const (
	MaxState           = 2048
	maxNonceBytes      = 512
	maxText            = 256 // login_hint, ui_locales and others
	maxDetailBytes     = 16 << 10
	maxParametersBytes = 40 << 10 // of all: a kept request must fit in 64 KiB
	challengeLength    = 43       // of base64url of SHA-256
)

// ParameterBounds returns how long the parameters of an authorization request may be,
// in bytes, where that is limited beyond all of them together.
func ParameterBounds() map[string]int {
	return map[string]int{
		"redirect_uri": client.MaxURI, "state": MaxState, "nonce": maxNonceBytes, "id_token_hint": token.MaxHint, "login_hint": maxText,
		"ui_locales": maxText, "authorization_details": maxDetailBytes,
	}
}

// invalid refuses a request for a parameter.
func invalid(reason oidc.Reason, description string) *oidc.Error {
	return &oidc.Error{Code: oidc.InvalidRequest, Description: description, Reason: reason}
}

// PageError refuses a request on a page of ours: where it came from can't be trusted.
func PageError(c *oidc.Client, e *oidc.Error) *oidc.RequestError {
	return &oidc.RequestError{Refusal: e, Client: c}
}

// Client returns the client that an authorization request names, and
// whose people may log in.
func (p *Reader) Client(ctx context.Context, id string) (client.Standing, error) {
	if id == "" {
		return client.Standing{}, PageError(nil, &oidc.Error{Code: oidc.InvalidRequest, Description: "client_id is missing", Reason: "client_missing"})
	}
	s, err := p.c.Clients.Standing(ctx, id)
	if err == nil && !s.Client.Has(oidc.GrantCode) {
		s, err = p.c.Clients.NewStanding(ctx, id) // it may have been registered a moment ago
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
// 4.1.1, OpenID Connect Core section 3.1.2.1). What is unknown is ignored.
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

// ParsePushed is Parse for the parameters that an authenticated client pushes (RFC 9126). What
// it refuses is an *Error, for no browser is there.
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

// readDestination finds out where an answer may go. State and mode are taken
// first of all, so that refusals of the rest arrive.
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
	// Anybody may have made the link, so only its form is looked at before it is shown.
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

// withObject adds what a request object (OpenID Connect Core section 6.1) says of
// where its refusal goes. Objects are not supported, and nothing else of one is
// read. Its signature doesn't matter for that: anybody could have made the same
// request without an object.
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
		if value != "" { // what stands in the object counts for more
			params[name] = value
		}
	}
	return params
}

// readRest reads what remains when it is known where a refusal may go.
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

// checkForm checks what decides how the answer comes back.
func checkForm(c oidc.Client, params oidc.Parameters, pushed bool, state string) error {
	switch {
	case params["request"] != "": // first: state may be the object's
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

// readPKCE reads the code challenge (RFC 7636). Only S256 is taken, and no
// client may do without that isn't registered so: then nobody can downgrade.
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

// readScopes takes the scopes of a login. Unknown ones are ignored (OpenID
// Connect Core section 3.1.2.1); known ones must be registered.
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

// readLogin reads what is said of the login and its pages.
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

// Locales reads the parameter ui_locales (OpenID Connect Core section 3.1.2.1); false if it
// can't be a list of language tags.
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

// leastAssurance returns the least assurance that acr_values name, 0 if none is
// ours. Unknown values are ignored.
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

// Refusal takes an error back to the client.
func (p *Reader) Refusal(r *Request, c oidc.Client, e *oidc.Error) *oidc.RequestError {
	return &oidc.RequestError{Refusal: e, Client: &c, Response: p.ErrorResponse(&r.Destination, e)}
}

// View returns the request as pages show it.
func (r *Request) View(s client.Standing) oidc.RequestView {
	return oidc.RequestView{
		Portal: r.Portal(), Client: s.Client, Participant: s.Participant, LoginHint: r.LoginHint,
		UILocales: r.UILocales, Licenses: r.Detail != nil, RedirectURI: r.RedirectURI,
	}
}
