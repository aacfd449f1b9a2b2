package oidc

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/factor"
)

// DetailLicense is the only type of authorization details (RFC 9396) so far.
const DetailLicense = "license"

// Resolver handles what an authorization detail asks for. The provider stores nothing
// of a grant but the id that the Resolver returns. Refusals that the client may see are
// *Error, such as invalid_authorization_details.
//
// A request has at most one detail.
type Resolver interface {
	// Read reads one element of authorization_details of the type [DetailLicense], as
	// received, and checks it against the client's registration. It is called before anybody
	// logs in. Nothing else reads the element: the result of Read is stored with the request.
	Read(ctx context.Context, c Client, detail jsontext.Value) (Detail, error)
	// Describe returns what the holder is shown before agreeing. find says what the holder
	// looks for in it; the Resolver defines the words; nil: nothing.
	Describe(ctx context.Context, f DetailFacts, d Detail, find map[string]string) (Offer, error)
	// Grant makes a pending grant of what the holder agreed to and returns its id; for
	// the same consent again, it returns the same id. Errors: ErrShownChanged if what was
	// shown has changed; ErrRefusedAll if the holder agreed to nothing.
	Grant(ctx context.Context, f DetailFacts, d Detail, a Agreement) (grant string, err error)
	// Reuse returns the id of a live recurring grant that covers exactly what the
	// detail asks for, or "". It serves prompt=none.
	Reuse(ctx context.Context, f DetailFacts, d Detail) (grant string, err error)
	// Deliver activates a grant for the authorization code with that hash, or
	// renews a recurring one that is active, and returns the granted details, a
	// JSON array. The same code again gets the same answer.
	Deliver(ctx context.Context, c Client, grant string, code [32]byte) (jsontext.Value, error)
	// Live reports whether a grant still allows reading.
	Live(ctx context.Context, grant string) (bool, error)
	// Revoke ends a grant; reason is GrantCodeReuse or GrantTokenRevoked.
	Revoke(ctx context.Context, c Client, grant, reason string) error
}

// Reasons for [Resolver].Revoke.
const (
	GrantCodeReuse    = "code_reuse"
	GrantTokenRevoked = "token_revoked"
)

// Refusals of [Resolver].Grant.
var (
	ErrShownChanged = &Error{Code: InvalidRequest, Description: "what can be released has changed since it was shown", Reason: "offer_changed"}
	ErrRefusedAll   = &Error{Code: AccessDenied, Description: "the holder chose paper", Reason: ReasonHolderChosePaper}
)

// DetailFacts tells a [Resolver] who asks whom.
type DetailFacts struct {
	Client      Client
	Participant identity.Participant // the client's participant
	Party       identity.Party       // who is logged in
	Acting      *acting.Acting       // for whom they act, just checked; nil: for themself
	Kin         acting.Relatives     // the people near whoever acts
	Assurance   factor.Assurance     // of this login, 0 to 3
	Session     [32]byte             // hash of the session's id
	Request     [32]byte             // hash of the authorization request
	RequestID   string               // of the HTTP request, for the events
}

// Detail is an authorization detail (RFC 9396) of the type [DetailLicense] that a [Resolver]
// has read.
type Detail struct {
	Type     string         `json:"type"` // DetailLicense
	Item     string         `json:"service_item"`
	Case     string         `json:"case"`               // the client's number for the case
	Licenses []AskedLicense `json:"licenses,omitempty"` // empty: the service item decides
	Acting   ActingAs       `json:"acting,omitempty"`   // for whom the person must act
}

// ActingAs says for whom a detail wants a person to act. The zero ActingAs leaves it to the request's
// scopes and the person.
type ActingAs string

// The values of ActingAs.
const (
	ActingSelf         ActingAs = "self"         // for themself
	ActingOrganization ActingAs = "organization" // for an organization
	ActingPerson       ActingAs = "person"       // for another person
)

// AskedLicense is one license that a detail asks for.
type AskedLicense struct {
	Material string   `json:"material"`
	TypeCode string   `json:"type_code"`
	Fields   []string `json:"fields,omitempty"` // empty: the fields that the service item names
}

// Offer is what a consent page shows of a detail. The packages that know licenses make it;
// the page asks them for its content.
type Offer interface {
	Shown() [32]byte // hash of everything that is shown; the agreement is bound to it
}

// Agreement is what the holder agreed to.
type Agreement struct {
	Form      string            // the consent form's one-use id; the flow sets it
	Shown     [32]byte          // Offer.Shown, as the form carried it
	Find      map[string]string // what the holder looked for, see [Resolver].Describe; the flow sets it
	Chosen    []Choice          // empty: the holder refused everything
	Until     time.Time
	Recurring bool
}

// Choice is one license in an agreement, with the parts of it that may be read.
type Choice struct {
	Material string
	License  string
	Version  int
	Fields   []string
}
