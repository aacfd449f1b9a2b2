package oidc

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc/identity"
)

// Parameters are those of a request, each given once and none empty.
type Parameters map[string]string

// Browser is what a browser shows of itself.
type Browser struct {
	ID        Secret // the browser's cookie: requests and forms are bound to it
	Session   Secret // the session cookie; zero: none
	Address   netip.Addr
	UserAgent string
	RequestID string // of the HTTP request, for the events
}

// ResponseMode is how an authorization response gets to the client.
type ResponseMode string

const (
	ModeQuery    ResponseMode = "query"
	ModeFormPost ResponseMode = "form_post"
)

// Response takes the browser back: to a client, or, with Local set, to a page
// of our own.
type Response struct {
	RedirectURI string // checked; complete for ModeQuery, with the parameters in it
	Mode        ResponseMode
	Parameters  []Parameter // for ModeFormPost, in order; iss is always among them
	Local       bool        // RedirectURI is a path of ours
}

// Parameter is one parameter of a response.
type Parameter struct{ Name, Value string }

// RequestError refuses an authorization or logout request. Response takes the
// refusal back to the client; it is nil where that can't be trusted (RFC 6749 section
// 4.1.2.1): then a page of ours says what is wrong, to the person and, with
// Received and Differs, to the developer. It unwraps to the Refusal.
type RequestError struct {
	Refusal  *Error
	Response *Response
	Client   *Client // who asks, if known: its HomeURI is where the person can begin anew
	// Received is the redirect URI that came, if it doesn't match, and Differs
	// says how it differs from the registered one nearest to it, without quoting
	// that: such as "the port differs".
	Received, Differs string
}

// Error returns the refusal's text: it is for the log.
func (e *RequestError) Error() string { return e.Refusal.Error() }

// Unwrap returns the refusal.
func (e *RequestError) Unwrap() error { return e.Refusal }

// ErrRequestGone says that no request is kept under a handle, for this browser:
// it expired, was answered, belongs to another browser, or was lost.
var ErrRequestGone = errors.New("the authorization request is gone")

// GoneError is ErrRequestGone of a request that was answered not long ago, as by
// another tab, or before the back button was used.
type GoneError struct {
	Client Client // who asked: its HomeURI is where the person can go on
}

// Error says that the request was answered.
func (e *GoneError) Error() string { return "the authorization request was answered before" }

// Is reports whether the target is ErrRequestGone.
func (e *GoneError) Is(target error) bool { return target == ErrRequestGone }

// ErrNoSession says that nobody is logged in.
var ErrNoSession = errors.New("nobody is logged in")

// StepKind is what comes next in an authorization request.
type StepKind string

const (
	StepLogin        StepKind = "login"         // show the login page
	StepSecondFactor StepKind = "second_factor" // somebody is logged in, with one factor; ask for the second
	StepAccount      StepKind = "account"       // ask whether to go on as who is logged in
	StepConsent      StepKind = "consent"       // show the consent page
	StepDone         StepKind = "done"          // go where Response says
)

// Step is what comes next, with all that its page needs.
type Step struct {
	Kind     StepKind
	Handle   Secret // names the request in the URLs of pages; zero when done
	Request  RequestView
	Session  *Session     // who is logged in; nil for StepLogin
	Consent  *ConsentView // of StepConsent
	Response *Response    // of StepDone
}

// RequestView is an authorization request, as pages show it.
type RequestView struct {
	Portal      bool                 // no client: somebody wants to see our own pages
	Client      Client               // who asks
	Participant identity.Participant // whose client that is
	Scopes      []Scope
	LoginHint   string
	UILocales   []string
	Licenses    bool   // licenses are asked for
	Assurance   int    // that is needed
	RedirectURI string // checked: where the answer will go. A page's policy must allow its forms to lead there
}

// ConsentView is what a consent page shows and its form carries.
type ConsentView struct {
	Form   string       // the form's one-use id
	Scopes []Scope      // that need consent
	Detail *Description // of the licenses; nil: none are asked for
}

// Decision is the answer of a consent form.
type Decision struct {
	Form      string
	Refused   bool // everything, the login included: access_denied
	Agreement Agreement
}

// Session is somebody who is logged in.
type Session struct {
	ID        string
	Account   string // account id
	Party     identity.Party
	Factors   []Factor
	AuthTime  time.Time // of the first factor
	Assurance int       // min(proofing, strength of the factors)
	Created   time.Time
	Seen      time.Time
	Expires   time.Time
	Address   string // where it began
	UserAgent string
	Current   bool // in a list: the one that asks
}

// Factor is one proof of who somebody is, by the names of RFC 8176.
type Factor string

const (
	FactorPassword Factor = "pwd"
	FactorSMS      Factor = "sms"
)

// Push keeps the parameters of an authorization request for the authenticated
// client (RFC 9126) and returns the request_uri, good for one use within its life.
func (p *Provider) Push(ctx context.Context, c Client, params Parameters, requestID string) (requestURI string, life time.Duration, err error) {
	return "", 0, errNotBuilt
}

// Authorize takes an authorization request (RFC 6749 section 4.1.1, OpenID
// Connect Core section 3.1.2.1), with request_uri or without, and returns what
// comes next. With a session that is good for it, that is done at once.
// Refusals are *RequestError.
//
// hold keeps the request and answers StepLogin with its handle, whatever b says: for requests that come
// without the browser's cookies, as a POST from another site does.
func (p *Provider) Authorize(ctx context.Context, params Parameters, b Browser, hold bool) (Step, error) {
	return Step{}, errNotBuilt
}

// Visit begins a login for a page of ours, a path with its query, and returns
// what comes next.
func (p *Provider) Visit(ctx context.Context, path string, assurance int, b Browser) (Step, error) {
	return Step{}, errNotBuilt
}

// Next returns what comes next in a request that is kept. ErrRequestGone; refusals are *RequestError.
func (p *Provider) Next(ctx context.Context, handle Secret, b Browser) (Step, error) {
	return Step{}, errNotBuilt
}

// LogIn makes a session of somebody whose first factor was checked, and returns
// its cookie; the browser's earlier session, if any, ends. The request goes on with Next.
func (p *Provider) LogIn(ctx context.Context, handle Secret, b Browser, account identity.Account, f Factor) (cookie Secret, s Session, err error) {
	return Secret{}, Session{}, errNotBuilt
}

// StepUp adds a second factor that was checked to the session, and returns its new cookie.
func (p *Provider) StepUp(ctx context.Context, b Browser, f Factor) (cookie Secret, err error) {
	return Secret{}, errNotBuilt
}

// Reauthenticated takes note that the person went on knowingly as who is logged in (StepAccount).
func (p *Provider) Reauthenticated(ctx context.Context, handle Secret, b Browser) error {
	return errNotBuilt
}

// Decide takes the answer of a consent form and returns what comes next: done,
// or the consent page again if what was shown has changed. ErrRequestGone.
func (p *Provider) Decide(ctx context.Context, handle Secret, b Browser, d Decision) (Step, error) {
	return Step{}, errNotBuilt
}

// Cancel ends a request: the client gets access_denied.
func (p *Provider) Cancel(ctx context.Context, handle Secret, b Browser) (Step, error) {
	return Step{}, errNotBuilt
}

// Session returns who is logged in, or ErrNoSession.
func (p *Provider) Session(ctx context.Context, b Browser) (Session, error) {
	return Session{}, errNotBuilt
}

// Sessions lists a person's live sessions, newest first.
func (p *Provider) Sessions(ctx context.Context, s Session) ([]Session, error) {
	return nil, errNotBuilt
}

// EndSession ends one of a person's sessions, by its id, with the families that
// die with it. ErrNotFound if it is not that person's.
func (p *Provider) EndSession(ctx context.Context, s Session, id, requestID string) error {
	return errNotBuilt
}

// LogoutView is what the page that asks before logging out shows.
type LogoutView struct {
	Session   *Session  // nil: nobody is logged in
	Client    *Client   // who asks, if known
	Response  *Response // where to go afterwards; nil: nowhere
	UILocales []string
}

// Logout takes a logout request (OpenID Connect RP-Initiated Logout 1.0) and
// returns what its page shows. Nothing ends before the person says so. Refusals
// are *RequestError without a Response.
func (p *Provider) Logout(ctx context.Context, params Parameters, b Browser) (LogoutView, error) {
	return LogoutView{}, errNotBuilt
}

// LogOut ends the browser's session, with the families that die with it.
func (p *Provider) LogOut(ctx context.Context, b Browser) error { return errNotBuilt }

// CodeRequest redeems an authorization code (RFC 6749 section 4.1.3).
type CodeRequest struct {
	Code         string
	RedirectURI  string
	CodeVerifier string
	Resources    []string
	RequestID    string
}

// Tokens is what the token endpoint answers to a code or a refresh token.
type Tokens struct {
	Token
	ID      Secret         // the ID token; zero: there was no openid
	Refresh Secret         // zero: none
	Details jsontext.Value // authorization_details as granted, with use codes; nil: none
}

// RedeemCode redeems an authorization code for the authenticated client.
// Refusals are *Error, invalid_grant first of all.
func (p *Provider) RedeemCode(ctx context.Context, c Client, q CodeRequest) (Tokens, error) {
	return Tokens{}, errNotBuilt
}

// RefreshRequest redeems a refresh token (RFC 6749 section 6).
type RefreshRequest struct {
	Token     string
	Scopes    []Scope // none: those before; more than those is invalid_scope
	Resources []string
	RequestID string
}

// Refresh redeems a refresh token for the authenticated client. The token is
// rotated; the one before it works once more within 10 seconds and gets the same
// successor, only while that is unused. Any earlier one ends the family.
func (p *Provider) Refresh(ctx context.Context, c Client, q RefreshRequest) (Tokens, error) {
	return Tokens{}, errNotBuilt
}

// Introspection is the answer of RFC 7662. Only Active is set if the token is
// not good, or none of the asking client's business.
type Introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	Expires   int64  `json:"exp,omitzero"`
	Issued    int64  `json:"iat,omitzero"`
	Subject   string `json:"sub,omitempty"`
	Audience  string `json:"aud,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	TokenID   string `json:"jti,omitempty"`
	AuthTime  int64  `json:"auth_time,omitzero"`
	ACR       string `json:"acr,omitempty"`
	Grant     string `json:"grant_id,omitempty"`
}

// Introspect tells the authenticated client of a token of its own.
func (p *Provider) Introspect(ctx context.Context, c Client, token string) (Introspection, error) {
	return Introspection{}, errNotBuilt
}

// RevokeToken ends a token of the authenticated client (RFC 7009): a refresh
// token or a person's access token with its family, any other access token alone. A token that
// is unknown, or another client's, is no error.
func (p *Provider) RevokeToken(ctx context.Context, c Client, token, requestID string) error {
	return errNotBuilt
}

// UserInfo returns the claims of who an access token is about (OpenID Connect
// Core section 5.3), a JSON object.
func (p *Provider) UserInfo(ctx context.Context, a Access) (jsontext.Value, error) {
	return nil, errNotBuilt
}

var errNotBuilt = errors.New("not built yet")
