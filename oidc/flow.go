package oidc

import (
	"errors"
	"net/netip"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/factor"
)

// Parameters are a request's parameters, each given once and none empty.
type Parameters map[string]string

// Browser is what a browser tells about itself.
type Browser struct {
	ID        Secret // the browser's cookie: requests and forms are bound to it
	Session   Secret // the session cookie; zero: none
	Device    string // the device cookie: it says for which accounts this device is known
	Address   netip.Addr
	UserAgent string // as received; whoever stores it cuts it short
	RequestID string // of the HTTP request, for the events
	// Certificate is the one with which the browser opened its connection to a proxy that is believed; DER. Empty: none.
	Certificate string
}

// ResponseMode is how an authorization response gets to the client.
type ResponseMode string

const (
	ModeQuery    ResponseMode = "query"
	ModeFormPost ResponseMode = "form_post"
)

// Response sends the browser back to a client or, with Local set, to a page of our own.
type Response struct {
	RedirectURI string // checked; complete for ModeQuery, with the parameters in it
	Mode        ResponseMode
	Parameters  []Parameter // for ModeFormPost, in order; iss is always among them
	Local       bool        // RedirectURI is a path on our own site
}

// Parameter is one parameter of a response.
type Parameter struct{ Name, Value string }

// RequestError refuses an authorization or logout request. Response takes the
// refusal back to the client. It is nil if the redirect URI can't be trusted (RFC 6749
// section 4.1.2.1): then a page of ours tells the person what is wrong, and, with
// Received and Differs, the developer. RequestError unwraps to the Refusal.
type RequestError struct {
	Refusal  *Error
	Response *Response
	Client   *Client // who asks, if known: the person can start again at its HomeURI
	// Received is the redirect URI of the request, if it matches none that is registered.
	// Differs says how it differs from the nearest registered one, such as "the port
	// differs", without quoting the registered one.
	Received, Differs string
}

// Error returns the refusal's text: it is for the log.
func (e *RequestError) Error() string { return e.Refusal.Error() }

// Unwrap returns the refusal.
func (e *RequestError) Unwrap() error { return e.Refusal }

// ErrRequestGone says that no request is stored under a handle for this browser:
// it expired, was answered, belongs to another browser, or was lost.
var ErrRequestGone = errors.New("the authorization request is gone")

// GoneError is the ErrRequestGone for a request that was answered a short time ago, for
// example in another tab, or before the person used the back button.
type GoneError struct {
	Client Client // who asked: the person can go on at its HomeURI
}

// Error says that the request was answered.
func (e *GoneError) Error() string { return "the authorization request was answered before" }

// Is reports whether the target is ErrRequestGone.
func (e *GoneError) Is(target error) bool { return target == ErrRequestGone }

// ErrNoSession says that nobody is logged in.
var ErrNoSession = errors.New("nobody is logged in")

// StepKind says what comes next in an authorization request.
type StepKind string

const (
	StepLogin        StepKind = "login"         // show the login page
	StepSecondFactor StepKind = "second_factor" // somebody is logged in with one factor; ask for another
	StepAccount      StepKind = "account"       // ask whether to go on with the account that is logged in
	StepLink         StepKind = "link"          // ask whether to link an account at another provider
	StepProofing     StepKind = "proofing"      // who is logged in is proofed less well than it takes, and can be here
	StepActing       StepKind = "acting"        // ask for whom somebody acts
	StepPhoneWaits   StepKind = "waits"         // the phone is no second factor yet, and there is no other
	StepConsent      StepKind = "consent"       // show the consent page
	StepDone         StepKind = "done"          // go where Response says
)

// Purpose returns the purpose of the form on a step's page, for [Browser.FormToken].
func (k StepKind) Purpose() string {
	if k == StepSecondFactor {
		return "code"
	}
	return string(k)
}

// Step is what comes next, with everything that its page needs.
type Step struct {
	Kind     StepKind
	Handle   Secret // names the request in the URLs of pages; zero when done
	Request  RequestView
	Session  *Session      // who is logged in; nil for StepLogin
	Acting   *ActingView   // for StepActing
	ActsFor  *ActsFor      // for StepConsent: for whom they act, if that was a question; nil: it wasn't
	Consent  *ConsentView  // for StepConsent
	Upstream *Elsewhere    // for StepLogin and StepLink: a login at another provider led to no account; nil: there was none
	Anew     bool          // for StepLogin: only a new login will do
	Further  []factor.Name // for StepSecondFactor: the factors that suffice; the first is asked for, or was chosen by the form
	Response *Response     // for StepDone

	// Set only after a form was sent.
	Again     bool          // show the form's page again
	Problem   Problem       // why the form was not accepted
	Challenge string        // for StepLogin: ask for a code instead of the password; the code's form carries this
	Phone     *PhoneLogin   // for StepLogin: a login with a phone is under way
	Scan      Secret        // for StepLogin: the code that a phone is to read
	Sent      *factor.Begun // for StepSecondFactor: a code was sent just now
	Cookies   Cookies       // valid beside an error, too

	Alone factor.Name // for StepLogin: a login with this factor alone is under way
}

// PhoneLogin is a login with a phone, under way: its page asks for the code that was sent or, if there
// is a Question, whose phone it is.
type PhoneLogin struct {
	Number   string        // of the phone, as typed
	Again    time.Duration // how long to wait before the next code
	Question string        // the form that answers carries it; empty: the code is asked for
}

// Elsewhere is a login at another provider that led to no account here.
type Elsewhere struct {
	Provider string          // its id
	Reason   identity.Reason // why
	Unlinked bool            // whoever logs in may link the account there with theirs
}

// Cookies says how the browser's cookies change. Zero fields change nothing.
type Cookies struct {
	Session   Secret // the new session cookie
	LoggedOut bool   // the session ended: delete its cookie
	Device    string // the new device cookie
}

// Problem says why a form was not accepted. The zero Problem is none.
type Problem struct {
	Kind    ProblemKind
	Refused *identity.Error // what the identity service says; nil: it wasn't asked, or failed
	Wait    time.Duration   // for ProblemLimited: how long this address must wait before the next try
}

// ProblemKind is a kind of reason for which a form is not accepted.
type ProblemKind string

const (
	ProblemStale      ProblemKind = "stale"          // not a form of this browser and session
	ProblemLimited    ProblemKind = "rate_limited"   // too many tries from this address
	ProblemIncomplete ProblemKind = "incomplete"     // login or password is missing
	ProblemLogin      ProblemKind = "login_refused"  // the password was refused
	ProblemConfirm    ProblemKind = "confirm_failed" // the challenge is over: start again with the password
	ProblemCode       ProblemKind = "code_wrong"     // the code was refused
	ProblemNotSent    ProblemKind = "not_sent"       // no code could be sent
	ProblemPhone      ProblemKind = "phone_refused"  // a login with a phone was refused, at any of its steps
	ProblemChoose     ProblemKind = "choose"         // the person must choose a license, or that there is none
	ProblemChanged    ProblemKind = "changed"        // what the form showed has changed since
	ProblemActing     ProblemKind = "acting_choose"  // the person must say for whom they act, or may not act so
)

// RequestView is an authorization request, as pages show it.
type RequestView struct {
	Portal      bool                 // no client asks: somebody wants to see our own pages
	Path, Back  string               // as of [flow.Page]
	Client      Client               // who asks
	Participant identity.Participant // the client's participant
	LoginHint   string
	UILocales   []string
	Licenses    bool   // licenses are asked for
	Direct      bool   // nothing counts that another device proved
	RedirectURI string // checked: where the answer goes. The page's policy must allow its forms to lead there
}

// ActsFor says for whom somebody acts. The zero ActsFor is for themself.
type ActsFor struct {
	Name string
	Kind acting.Kind
}

// ActingView is what the page shows that asks for whom somebody acts.
type ActingView struct {
	Self     bool            // they may act for themself
	Choices  []acting.Choice // for whom else; none without Self: the request can't go on
	Demanded ActingAs        // for whom they must act
	Over     identity.Reason // why they can't act as they did in this session before; empty: nothing is over
}

// ConsentView is what a consent page shows and its form carries.
type ConsentView struct {
	Form   string  // the form's one-use id
	Scopes []Scope // the scopes that need consent
	Offer  Offer   // the licenses; nil: none are asked for
}

// Decision is the answer of a consent form.
type Decision struct {
	Form      string
	Refused   bool // the person refused everything, the login included: access_denied
	Undecided bool // the person agreed, but left out something that must be chosen
	Agreement Agreement
}

// Session is the login session of a person.
type Session struct {
	ID        string
	Account   string // account id
	Party     identity.Party
	Assurance factor.Assurance
	Strength  factor.Assurance // of the proofs, however well the person was proofed
	Reach     factor.Assurance // the strength of a login with all that the account has
	Relayed   bool             // it rests on proofs of another device, which lent them
	AuthTime  time.Time        // when they logged in
	Proved    time.Time        // likewise, but earlier if another provider says so; zero if one doesn't say when
	Since     time.Time        // when this session ended all others of the account, and went on; zero: never
	Created   time.Time
	Seen      time.Time
	Address   string // the address from which it began
	UserAgent string
	ActsBy    string         // on pages of our own: a representation's id; empty: for themself
	Acting    *acting.Acting // on pages of our own, just checked there; nil: for themself, or not asked
	Current   bool           // in a list: the session in which the list is asked for
}
