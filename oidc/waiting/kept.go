package waiting

import (
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/request"
	"yizheng.internal/oidc/session"
)

// Kept is an authorization request that waits for a person. It is stored sealed in
// [ephemeral.Store] under the hash of its handle.
type Kept struct {
	Request   request.Request `json:"request"`
	Browser   string          `json:"browser,omitempty"` // hash of the browser's cookie; empty: not bound yet
	Seed      string          `json:"seed"`              // the key from which ids of forms and login cookies derive
	Login     string          `json:"login,omitempty"`   // the session in which somebody logged in for this request
	Confirmed string          `json:"confirmed,omitempty"`
	// Acted is the session in which the person said for this request for whom they act; ActingAnew has them asked
	// again.
	Acted      string    `json:"acted,omitempty"`
	ActingAnew bool      `json:"acting_anew,omitempty"`
	Pushed     string    `json:"pushed,omitempty"`  // hash of the request_uri's handle, if it was pushed
	Opened     bool      `json:"opened,omitempty"`  // a browser came back to it
	Account    string    `json:"account,omitempty"` // the account that logged in last, if any
	Began      time.Time `json:"began"`
	Asker      string    `json:"asker,omitempty"` // its owner in the store while Account is empty
	Upstream   *Upstream `json:"upstream,omitempty"`

	// For an answered request: when, and by which form of which session.
	Answered time.Time `json:"answered,omitzero"`
	Form     string    `json:"form,omitempty"`
	Session  string    `json:"session,omitempty"`
	// Consented has the scopes to which that form asked agreement.
	Consented []oidc.Scope `json:"consented,omitempty"`
}

// IsAnswered reports whether the request was answered.
func (k *Kept) IsAnswered() bool { return !k.Answered.IsZero() }

// AnsweredByLogin reports whether a login form may have answered the request less than a
// minute ago.
func (k *Kept) AnsweredByLogin() bool {
	return k.Form == "" && k.Session != "" && time.Since(k.Answered) <= session.FormAgain
}

// AnsweredByForm reports whether the consent form with this id answered the request less than
// a minute ago.
func (k *Kept) AnsweredByForm(id string) bool {
	return k.Form != "" && oidc.SameText(k.Form, id) && time.Since(k.Answered) <= session.FormAgain
}

// An Entry is a request in the hands of who leads it on: as it is stored, with the changes that
// were noted since. It belongs to one call and isn't safe for concurrent use.
type Entry struct {
	Kept
	Handle oidc.Secret // zero until the request is stored

	browser string // hash of the cookie of the browser that came for it
	before  Kept   // the request as it was loaded
	sealed  []byte // the request as the store has it; nil: it wasn't loaded
	changes []func(*Kept)
}

// NewEntry returns the entry of a request that begins at this browser. It isn't stored.
func NewEntry(b oidc.Browser) *Entry {
	hash := browserHash(b)
	return &Entry{Kept: Kept{Browser: hash, Seed: oidc.NewHandle().Reveal()}, browser: hash}
}

// Note changes a request: at once in e, and in the store with the next [Requests.Save].
func (e *Entry) Note(change func(*Kept)) {
	change(&e.Kept)
	e.changes = append(e.changes, change)
}

// isKept reports whether the request is stored.
func (e *Entry) isKept() bool { return e.Handle != (oidc.Secret{}) }

// browserHash returns the hash of the browser's cookie, which binds requests to the
// browser; or "" without a cookie.
func browserHash(b oidc.Browser) string {
	if !b.ID.IsHandle() {
		return ""
	}
	return b.ID.Hash().String()
}
