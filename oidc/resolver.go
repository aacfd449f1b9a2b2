package oidc

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
)

// DetailLicense is the one type of authorization details (RFC 9396) so far.
const DetailLicense = "license"

// Resolver has what an authorization detail asks for. The provider asks it and
// keeps nothing of it but a grant's id, as it came. Refusals that the client
// may see are *Error, among them invalid_authorization_details.
//
// A request has at most one detail.
type Resolver interface {
	// Read reads one element of authorization_details whose type is [DetailLicense], as it
	// came in, and checks it against the client's registration, before anybody logs in for
	// it. It is the only one to read it: what it returns is kept with the request.
	Read(ctx context.Context, c Client, detail jsontext.Value) (Detail, error)
	// Describe returns what the holder is to be shown before agreeing; find is what the
	// holder looks for in it, in words of the Resolver's own, nil for nothing.
	Describe(ctx context.Context, f DetailFacts, d Detail, find map[string]string) (Offer, error)
	// Grant makes the pending grant of what the holder agreed to and returns its
	// id; the same consent again returns the same. ErrShownChanged if what was
	// shown no longer holds; ErrRefusedAll if nothing was agreed to.
	Grant(ctx context.Context, f DetailFacts, d Detail, a Agreement) (grant string, err error)
	// Reuse returns the id of a live recurring grant that covers exactly what the
	// detail asks for, for prompt=none; or "".
	Reuse(ctx context.Context, f DetailFacts, d Detail) (grant string, err error)
	// Deliver activates a grant for the authorization code with that hash, or
	// renews a recurring one that is active, and returns the granted details, a
	// JSON array. The same code again gets the same answer.
	Deliver(ctx context.Context, c Client, grant string, code [32]byte) (jsontext.Value, error)
	// Live reports whether a grant may still be read by.
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

// DetailFacts say who asks whom, for a [Resolver].
type DetailFacts struct {
	Client      Client
	Participant identity.Participant // the client's
	Party       identity.Party       // who is logged in
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
	Case     string         `json:"case"`               // the client's number of it
	Licenses []AskedLicense `json:"licenses,omitempty"` // empty: the item decides
}

// AskedLicense is one license that a detail asks for.
type AskedLicense struct {
	Material string   `json:"material"`
	TypeCode string   `json:"type_code"`
	Fields   []string `json:"fields,omitempty"` // empty: those of the item
}

// Offer is what a consent page shows of a detail. It is made by the half that knows licenses,
// and shown by who asks that half for what is in it.
type Offer interface {
	Shown() [32]byte // hash of all that is shown: the agreement is bound to it
}

// Agreement is what the holder agreed to.
type Agreement struct {
	Form      string            // the consent form's one-use id; the flow sets it
	Shown     [32]byte          // Offer.Shown, as the form carried it
	Find      map[string]string // what it was shown for, see [Resolver].Describe; the flow sets it
	Chosen    []Choice          // none: everything was refused
	Until     time.Time
	Recurring bool
}

// Choice is one license in an agreement, with its parts that may be read.
type Choice struct {
	Material string
	License  string
	Version  int
	Fields   []string
}
