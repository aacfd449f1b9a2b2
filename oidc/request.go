package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// request is an authorization request that passed every check that needs
// nobody to be logged in.
type request struct {
	ID     string `json:"id"` // random: no two are the same
	Client string `json:"client,omitempty"`
	destination

	Nonce     string         `json:"nonce,omitempty"`
	Challenge string         `json:"challenge,omitempty"` // of PKCE, S256
	Scopes    []Scope        `json:"scopes,omitempty"`
	Prompts   []string       `json:"prompts,omitempty"`
	MaxAge    *int64         `json:"max_age,omitempty"` // seconds
	Assurance int            `json:"assurance,omitempty"`
	LoginHint string         `json:"login_hint,omitempty"`
	UILocales []string       `json:"ui_locales,omitempty"`
	Hint      string         `json:"hint,omitempty"` // the subject that the id_token_hint names
	Detail    jsontext.Value `json:"detail,omitempty"`

	Path string `json:"path,omitempty"` // no client asks, but a page of ours
}

// destination is where an answer goes.
type destination struct {
	RedirectURI string       `json:"redirect_uri,omitempty"`
	Mode        ResponseMode `json:"mode,omitempty"`
	State       string       `json:"state,omitempty"`
}

// The values of the prompt parameter (OpenID Connect Core section 3.1.2.1).
const (
	promptNone    = "none"
	promptLogin   = "login"
	promptConsent = "consent"
	promptAccount = "select_account"
)

func (r *request) prompts(value string) bool { return slices.Contains(r.Prompts, value) }

func (r *request) has(s Scope) bool { return slices.Contains(r.Scopes, s) }

// portal reports whether a page of ours asks.
func (r *request) portal() bool { return r.Client == "" }

// hash stands for the request in a license grant.
func (r *request) hash() [32]byte { return sha256.Sum256([]byte(r.ID)) }

// Longest parameters, in bytes.
const (
	maxStateBytes      = 2048
	maxNonceBytes      = 512
	maxHintBytes       = 4 << 10 // id_token_hint
	maxTextBytes       = 256     // login_hint, ui_locales and others
	maxDetailBytes     = 16 << 10
	maxParametersBytes = 40 << 10 // of all: a kept request must fit in 64 KiB
	challengeLength    = 43       // of base64url of SHA-256
)

// ParameterBounds returns how long the parameters of an authorization request may be,
// in bytes, where that is limited beyond all of them together.
func ParameterBounds() map[string]int {
	return map[string]int{
		"redirect_uri": maxURIBytes, "state": maxStateBytes, "nonce": maxNonceBytes, "id_token_hint": maxHintBytes, "login_hint": maxTextBytes,
		"ui_locales": maxTextBytes, "authorization_details": maxDetailBytes,
	}
}

// invalid refuses a request for a parameter.
func invalid(reason, description string) *Error {
	return &Error{Code: InvalidRequest, Description: description, Reason: reason}
}

// pageError refuses a request on a page of ours: where it came from can't be trusted.
func pageError(c *Client, e *Error) *RequestError { return &RequestError{Refusal: e, Client: c} }

// askingClient returns the client that an authorization request names, and
// whose people may log in.
func (p *Provider) askingClient(ctx context.Context, id string) (standing, error) {
	if id == "" {
		return standing{}, pageError(nil, &Error{Code: InvalidRequest, Description: "client_id is missing", Reason: "client_missing"})
	}
	s, err := p.standingOf(ctx, id, standingFresh)
	if err == nil && !s.client.Has(GrantCode) {
		s, err = p.standingOf(ctx, id, secretFresh) // it may have been registered a moment ago
	}
	if errors.Is(err, ErrNotFound) {
		return standing{}, pageError(nil, &Error{Code: UnauthorizedClient, Description: "no client has this client_id", Reason: "client_unknown"})
	}
	if err != nil {
		return standing{}, err
	}
	if reason, description := s.check(); reason != "" {
		return standing{}, pageError(nil, &Error{Code: UnauthorizedClient, Description: description, Reason: reason})
	}
	if !s.client.Has(GrantCode) {
		return standing{}, pageError(nil, &Error{Code: UnauthorizedClient, Description: "the client is not registered for the logins of people", Reason: "grant_type"})
	}
	return s, nil
}

// parse checks the parameters of an authorization request (RFC 6749 section
// 4.1.1, OpenID Connect Core section 3.1.2.1). What is unknown is ignored.
// Refusals are *RequestError.
func (p *Provider) parse(ctx context.Context, s standing, params Parameters, pushed bool) (request, error) {
	r := request{ID: NewHandle().text, Client: s.client.ID}
	if err := r.readDestination(s.client, params); err != nil {
		return request{}, err
	}
	if err := p.readRest(ctx, &r, s.client, params, pushed); err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return request{}, err
		}
		return request{}, p.refusal(&r, s.client, e)
	}
	return r, nil
}

// readDestination finds out where an answer may go. State and mode are taken
// first of all, so that refusals of the rest arrive.
func (r *request) readDestination(c Client, params Parameters) error {
	total := 0
	for name, value := range params {
		total += len(name) + len(value)
	}
	if total > maxParametersBytes {
		return pageError(&c, &Error{Code: InvalidRequest, Description: "the parameters are longer than 40 KiB", Reason: "too_large"})
	}
	params = withObject(params)
	uri := params["redirect_uri"]
	if uri == "" {
		return pageError(&c, &Error{Code: InvalidRequest, Description: "redirect_uri is missing", Reason: "redirect_uri_missing"})
	}
	// Anybody may have made the link, so only its form is looked at before it is shown.
	if !isURI(uri) {
		return pageError(&c, &Error{Code: InvalidRequest, Description: "redirect_uri is not an absolute URI in ASCII of at most 512 characters", Reason: "redirect_uri_invalid"})
	}
	if !c.redirects(uri) {
		e := pageError(&c, &Error{Code: InvalidRequest, Description: "redirect_uri is not one that is registered", Reason: "redirect_uri_unregistered"})
		e.Received, e.Differs = uri, differs(c.RedirectURIs, uri)
		return e
	}
	r.RedirectURI, r.Mode = uri, ModeQuery
	if params["response_mode"] == string(ModeFormPost) && webURI(uri) {
		r.Mode = ModeFormPost
	}
	if state := params["state"]; isVisible(state) && len(state) <= maxStateBytes {
		r.State = state
	}
	return nil
}

// withObject adds what a request object (OpenID Connect Core section 6.1) says of
// where its refusal goes. Objects are not supported, and nothing else of one is
// read. Its signature doesn't matter for that: anybody could have made the same
// request without an object.
func withObject(params Parameters) Parameters {
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
func (p *Provider) readRest(ctx context.Context, r *request, c Client, params Parameters, pushed bool) error {
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
		return &Error{Code: InvalidTarget, Description: "no such resource; leave the parameter out for the API of this service", Reason: "resource_unknown"}
	}
	if hint := params["id_token_hint"]; hint != "" {
		t, err := p.readHint(ctx, hint)
		if err != nil {
			return err
		}
		if t.Audience != c.ID {
			return &Error{Code: InvalidRequest, Description: "id_token_hint is an ID token of another client", Reason: "hint_audience"}
		}
		r.Hint = t.Subject
	}
	return p.readDetails(ctx, r, c, params["authorization_details"], pushed)
}

// checkForm checks what decides how the answer comes back.
func checkForm(c Client, params Parameters, pushed bool, state string) error {
	switch {
	case params["request"] != "": // first: state may be the object's
		return &Error{Code: RequestNotSupported, Description: "request objects are not supported; push the parameters instead", Reason: "request_unsupported"}
	case params["state"] != state:
		return invalid("state_invalid", "state has at most 2048 bytes of visible ASCII")
	case params["registration"] != "":
		return &Error{Code: RegistrationNotSupported, Description: "clients are registered by the operator", Reason: "registration_unsupported"}
	case params["request_uri"] != "":
		return &Error{Code: InvalidRequestURI, Description: "request_uri is one that the pushed authorization request endpoint returned", Reason: "request_uri_invalid"}
	case params["response_type"] == "":
		return invalid("response_type_missing", "response_type is missing")
	case params["response_type"] != "code":
		return &Error{Code: UnsupportedResponseType, Description: "the response type is code", Reason: "response_type_unsupported"}
	case params["response_mode"] != "" && params["response_mode"] != string(ModeQuery) && params["response_mode"] != string(ModeFormPost):
		return invalid("response_mode_invalid", "the response modes are query and form_post")
	case params["response_mode"] == string(ModeFormPost) && !webURI(params["redirect_uri"]):
		return invalid("response_mode_redirect", "response_mode form_post needs a redirect_uri of http or https")
	case c.RequirePAR && !pushed:
		return &Error{Code: InvalidRequest, Description: "the client is registered to push its requests (RFC 9126)", Reason: "par_required"}
	}
	return nil
}

// readPKCE reads the code challenge (RFC 7636). Only S256 is taken, and no
// client may do without that isn't registered so: then nobody can downgrade.
func (r *request) readPKCE(c Client, params Parameters) error {
	challenge, method := params["code_challenge"], params["code_challenge_method"]
	if challenge == "" && method == "" && c.WithoutPKCE {
		return nil
	}
	switch {
	case challenge == "":
		return &Error{Code: InvalidRequest, Description: "code_challenge is missing (RFC 7636)", Reason: "pkce_required"}
	case method != "S256":
		return &Error{Code: InvalidRequest, Description: "code_challenge_method is S256", Reason: "pkce_method"}
	}
	if b, err := base64.RawURLEncoding.Strict().DecodeString(challenge); err != nil || len(challenge) != challengeLength || len(b) != sha256.Size {
		return &Error{Code: InvalidRequest, Description: "code_challenge is the base64url of a SHA-256, 43 characters", Reason: "pkce_challenge"}
	}
	r.Challenge = challenge
	return nil
}

// readScopes takes the scopes of a login. Unknown ones are ignored (OpenID
// Connect Core section 3.1.2.1); known ones must be registered.
func (r *request) readScopes(c Client, param string) error {
	scopes, err := ParseScopes(param)
	if err != nil {
		return err
	}
	for _, s := range scopes {
		switch {
		case !s.Known():
		case !s.OfPerson():
			return &Error{Code: InvalidScope, Description: "one of these scopes is for a client that acts for itself, with client_credentials", Reason: "scope_of_client"}
		case !slices.Contains(c.Scopes, s):
			return &Error{Code: InvalidScope, Description: "the client is not registered for one of these scopes", Reason: "scope_unregistered"}
		default:
			r.Scopes = append(r.Scopes, s)
		}
	}
	return nil
}

// readLogin reads what is said of the login and its pages.
func (r *request) readLogin(params Parameters) error {
	r.Nonce, r.LoginHint = params["nonce"], params["login_hint"]
	switch {
	case len(r.Nonce) > maxNonceBytes || !isText(r.Nonce):
		return invalid("nonce_invalid", "nonce has at most 512 bytes, without control characters")
	case len(r.LoginHint) > maxTextBytes || !isText(r.LoginHint):
		return invalid("login_hint_invalid", "login_hint has at most 256 bytes, without control characters")
	case len(params["ui_locales"]) > maxTextBytes || !isVisible(params["ui_locales"]):
		return invalid("ui_locales_invalid", "ui_locales is a list of language tags of at most 256 bytes")
	case len(params["prompt"]) > maxTextBytes:
		return invalid("prompt_invalid", "prompt has at most 256 bytes")
	case len(params["acr_values"]) > 4*maxTextBytes:
		return invalid("acr_values_invalid", "acr_values has at most 1024 bytes")
	}
	r.UILocales = strings.Fields(params["ui_locales"])
	r.Prompts = sorted(strings.Fields(params["prompt"]))
	for _, value := range r.Prompts {
		if value != promptNone && value != promptLogin && value != promptConsent && value != promptAccount {
			return invalid("prompt_invalid", "the prompts are none, login, consent and select_account")
		}
	}
	if r.prompts(promptNone) && len(r.Prompts) > 1 {
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

// isText reports whether s is UTF-8 without control characters.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// isVisible reports whether s is ASCII without control characters (RFC 6749
// appendix A: VSCHAR).
func isVisible(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}

// readDetails reads authorization_details (RFC 9396). They come through PAR
// alone, from a client that proved who it is and whose code nobody else can
// redeem, so that no link made by others can ask for licenses.
func (p *Provider) readDetails(ctx context.Context, r *request, c Client, param string, pushed bool) error {
	if param == "" {
		return nil
	}
	refuse := func(reason, description string) error {
		return &Error{Code: InvalidAuthorizationDetails, Description: description, Reason: reason}
	}
	switch {
	case !pushed:
		return refuse("details_not_pushed", "authorization_details come through the pushed authorization request endpoint")
	case p.c.Resolver == nil || c.Public() || r.Challenge == "" || len(c.ServiceItems) == 0:
		return refuse("details_unregistered", "the client is not registered for any service item")
	case len(param) > maxDetailBytes:
		return refuse("details_too_large", "authorization_details are longer than 16 KiB")
	}
	detail, err := parseDetails(param)
	if err != nil {
		return err
	}
	if err := p.c.Resolver.Check(ctx, c, detail); err != nil {
		return err
	}
	r.Detail = detail
	r.Assurance = max(r.Assurance, licenseAssurance)
	return nil
}

// licenseAssurance is the assurance below which no license is seen.
const licenseAssurance = 2

// maxDetailDepth is how deep arrays and objects may lie in each other.
const maxDetailDepth = 8

// parseDetails reads authorization_details: a JSON array of one detail of the
// type license, with unique names.
func parseDetails(param string) (jsontext.Value, error) {
	refuse := func(reason, description string) (jsontext.Value, error) {
		return nil, &Error{Code: InvalidAuthorizationDetails, Description: description, Reason: reason}
	}
	if !shallow(param) {
		return refuse("details_malformed", "authorization_details are not JSON, or nested too deep")
	}
	var details []jsontext.Value
	if err := json.Unmarshal([]byte(param), &details); err != nil {
		return refuse("details_malformed", "authorization_details are not a JSON array with unique names in its objects")
	}
	if len(details) != 1 {
		return refuse("details_number", "authorization_details have one element")
	}
	var detail struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(details[0], &detail); err != nil {
		return refuse("details_malformed", "an authorization detail is an object with a type")
	}
	if detail.Type != DetailLicense {
		return refuse("details_type", "the type of authorization details is license")
	}
	if err := details[0].Compact(); err != nil {
		return refuse("details_malformed", "authorization_details are not JSON")
	}
	return details[0], nil
}

// shallow reports whether a text is JSON in which no more than maxDetailDepth
// arrays and objects lie in each other.
func shallow(text string) bool {
	d := jsontext.NewDecoder(strings.NewReader(text))
	for {
		_, err := d.ReadToken()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if d.StackDepth() > maxDetailDepth {
			return false
		}
	}
}

// acrPrefix begins the authentication context classes of ours.
const acrPrefix = "urn:yizheng:assurance:"

// ACR returns the authentication context class of an assurance, 0 to 3.
func ACR(assurance int) string { return acrPrefix + strconv.Itoa(assurance) }

// leastAssurance returns the least assurance that acr_values name, 0 if none is
// ours. Unknown values are ignored.
func leastAssurance(param string) int {
	least := 0
	for value := range strings.FieldsSeq(param) {
		for n := 1; n <= 3; n++ {
			if value == ACR(n) && (least == 0 || n < least) {
				least = n
			}
		}
	}
	return least
}

// refusal takes an error back to the client.
func (p *Provider) refusal(r *request, c Client, e *Error) *RequestError {
	return &RequestError{Refusal: e, Client: &c, Response: p.errorResponse(&r.destination, e)}
}

// view returns the request as pages show it.
func (r *request) view(s standing) RequestView {
	return RequestView{
		Portal: r.portal(), Client: s.client, Participant: s.participant, Scopes: r.Scopes, LoginHint: r.LoginHint,
		UILocales: r.UILocales, Licenses: r.Detail != nil, Assurance: max(r.Assurance, s.client.Floor(s.participant.Class)), RedirectURI: r.RedirectURI,
	}
}
