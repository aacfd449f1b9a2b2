package oidc

import (
	"errors"
	"net/netip"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
)

// Parameters are those of a request, each given once and none empty.
type Parameters map[string]string

// Browser is what a browser shows of itself.
type Browser struct {
	ID        Secret // the browser's cookie: requests and forms are bound to it
	Session   Secret // the session cookie; zero: none
	Device    string // the device cookie: for which accounts this is a known device
	Address   netip.Addr
	UserAgent string // as it came: whoever keeps it clips it
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
	StepSecondFactor StepKind = "second_factor" // somebody is logged in, with one factor; ask for another
	StepAccount      StepKind = "account"       // ask whether to go on as who is logged in
	StepConsent      StepKind = "consent"       // show the consent page
	StepDone         StepKind = "done"          // go where Response says
)

// Purpose returns what the token of the form on a step's page is for: see [Browser.FormToken].
func (k StepKind) Purpose() string {
	if k == StepSecondFactor {
		return "code"
	}
	return string(k)
}

// Step is what comes next, with all that its page needs.
type Step struct {
	Kind     StepKind
	Handle   Secret // names the request in the URLs of pages; zero when done
	Request  RequestView
	Session  *Session     // who is logged in; nil for StepLogin
	Consent  *ConsentView // of StepConsent
	Response *Response    // of StepDone

	// Of a step that a form led to.
	Again     bool          // the form's page is to be shown once more, in answer to it
	Problem   Problem       // why the form was not taken
	Challenge string        // of StepLogin: a code is to be typed instead of the password; its form carries this
	Sent      *factor.Begun // of StepSecondFactor: a code was sent just now
	Cookies   Cookies       // count beside an error, too
}

// Cookies are what a browser is to keep from now on. Zero fields change nothing.
type Cookies struct {
	Session   Secret // the new session cookie
	LoggedOut bool   // there is no session any more: its cookie goes
	Device    string // the new device cookie
}

// Problem says why a form was not taken. The zero Problem is none.
type Problem struct {
	Kind    ProblemKind
	Refused *identity.Error // what the identity service says; nil: it wasn't asked, or failed
	Wait    time.Duration   // of ProblemLimited: until when no try from this address counts
}

// ProblemKind is a kind of reasons for which a form is not taken.
type ProblemKind string

const (
	ProblemStale      ProblemKind = "stale"          // not a form of this browser and session
	ProblemLimited    ProblemKind = "rate_limited"   // too many tries from this address
	ProblemIncomplete ProblemKind = "incomplete"     // login or password is missing
	ProblemLogin      ProblemKind = "login_refused"  // the password was refused
	ProblemConfirm    ProblemKind = "confirm_failed" // the challenge is over: begin with the password
	ProblemCode       ProblemKind = "code_wrong"     // the code was refused
	ProblemNotSent    ProblemKind = "not_sent"       // no code could be sent
	ProblemChoose     ProblemKind = "choose"         // a license must be chosen, or that there is none to show
	ProblemChanged    ProblemKind = "changed"        // what can be agreed to is not what the form was about
)

// RequestView is an authorization request, as pages show it.
type RequestView struct {
	Portal      bool                 // no client: somebody wants to see our own pages
	Client      Client               // who asks
	Participant identity.Participant // whose client that is
	LoginHint   string
	UILocales   []string
	Licenses    bool   // licenses are asked for
	RedirectURI string // checked: where the answer will go. A page's policy must allow its forms to lead there
}

// ConsentView is what a consent page shows and its form carries.
type ConsentView struct {
	Form   string  // the form's one-use id
	Scopes []Scope // that need consent
	Offer  Offer   // of the licenses; nil: none are asked for
}

// Decision is the answer of a consent form.
type Decision struct {
	Form      string
	Refused   bool // everything, the login included: access_denied
	Undecided bool // to agree, but something that must be chosen wasn't
	Agreement Agreement
}

// Session is somebody who is logged in.
type Session struct {
	ID        string
	Account   string // account id
	Party     identity.Party
	Assurance factor.Assurance
	Created   time.Time
	Seen      time.Time
	Address   string // where it began
	UserAgent string
	Current   bool // in a list: the one that asks
}
