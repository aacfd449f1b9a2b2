package license

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// Stores are what a Registry keeps its records in.
type Stores interface {
	Store
	TypeStore
	StatusStore
	EventStore
	LookupStore
	SettingStore
}

// Config says what a Registry works with.
type Config struct {
	Stores   Stores
	Keyrings *signing.Keyrings
	Vault    *signing.Vault
	Anchors  *signing.Anchors
	Verifier *signing.Verifier // default: a new one
	// AuthorityName returns the name of the department with that code, as the
	// credential shall carry it, or ErrNotFound if it is not a participant.
	AuthorityName func(ctx context.Context, code party.USCC) (string, error)
	PublicURL     string       // absolute, without a slash at the end: status lists' addresses build on it
	Log           *slog.Logger // default: discards
	// Step, if set, is called with the name of each step of a change: failpoints of tests.
	Step func(name string)
}

// Registry issues, changes, shows and verifies licenses. Safe for concurrent
// use. Refusals that a caller may see are *Error.
type Registry struct {
	c Config
}

var errUnbuilt = errors.New("not built yet")

// New checks c and returns a Registry. It stores the public URL at the first
// start, and refuses another one later: signed credentials carry it.
func New(ctx context.Context, c Config) (*Registry, error) { return nil, errUnbuilt }

// Run does the registry's background work until ctx ends.
func (r *Registry) Run(ctx context.Context) error { return errUnbuilt }

// IssueRequest is what an authority says of a new license.
type IssueRequest struct {
	TypeCode   TypeCode        `json:"type_code"`
	Number     string          `json:"number"`
	Holders    []Holder        `json:"holders"`
	ValidFrom  party.Date      `json:"valid_from"`
	ValidUntil party.Date      `json:"valid_until,omitzero"`
	AreaCode   string          `json:"area_code,omitempty"`
	Fields     json.RawMessage `json:"fields"`
	Serial     string          `json:"serial,omitempty"`
}

// ReplaceRequest is the whole content of the version that takes the newest one's place.
type ReplaceRequest struct {
	Kind       ReplaceKind     `json:"kind"` // change, renewal or correction
	Reason     string          `json:"reason"`
	Number     string          `json:"number"`
	Holders    []Holder        `json:"holders"`
	ValidFrom  party.Date      `json:"valid_from"`
	ValidUntil party.Date      `json:"valid_until,omitzero"`
	AreaCode   string          `json:"area_code,omitempty"`
	Fields     json.RawMessage `json:"fields"`
}

// EndRequest ends a license.
type EndRequest struct {
	Reason        string     `json:"reason"`
	Kind          EndingKind `json:"kind"`
	EffectiveFrom party.Date `json:"effective_from"`
	Document      Document   `json:"document"`
}

// Issued answers an issue or a replacement.
type Issued struct {
	ID               ID         `json:"id"`
	Identifier       Identifier `json:"identifier"`
	VerificationCode string     `json:"verification_code"`
	Version          int        `json:"version"`
	State            State      `json:"state"`
	Credential       string     `json:"credential"`
	Replayed         bool       `json:"-"` // the answer to an earlier request with the same key
}

// Issue checks, signs and stores a new license in one step. The idempotency
// key is required; the same key with another request is a conflict.
func (r *Registry) Issue(ctx context.Context, a Actor, q IssueRequest, key string) (Issued, error) {
	return Issued{}, errUnbuilt
}

// Replace makes the next version; the one before it is superseded. The key is optional.
func (r *Registry) Replace(ctx context.Context, a Actor, id ID, q ReplaceRequest, key string) (Issued, error) {
	return Issued{}, errUnbuilt
}

// Suspend takes an active license out of force.
func (r *Registry) Suspend(ctx context.Context, a Actor, id ID, reason string) (License, error) {
	return License{}, errUnbuilt
}

// Resume puts a suspended license back in force.
func (r *Registry) Resume(ctx context.Context, a Actor, id ID, reason string) (License, error) {
	return License{}, errUnbuilt
}

// End ends an active or suspended license.
func (r *Registry) End(ctx context.Context, a Actor, id ID, q EndRequest) (License, error) {
	return License{}, errUnbuilt
}

// Read returns a license and one of its versions, 0 for the newest.
func (r *Registry) Read(ctx context.Context, a Actor, id ID, version int) (License, error) {
	return License{}, errUnbuilt
}

// Credential returns a version's signed credential, with all disclosures.
func (r *Registry) Credential(ctx context.Context, a Actor, id ID, version int) (string, error) {
	return "", errUnbuilt
}

// History returns up to limit entries with Seq greater than after.
func (r *Registry) History(ctx context.Context, a Actor, id ID, after int64, limit int) ([]Event, error) {
	return nil, errUnbuilt
}

// SearchRequest finds the caller's licenses. Empty members don't restrict; at
// most one of Identifier, Number and Holder may be set. Number needs TypeCode.
type SearchRequest struct {
	Identifier  string      `json:"identifier,omitempty"`
	Number      string      `json:"number,omitempty"`
	Holder      *party.Code `json:"holder,omitempty"`
	TypeCode    TypeCode    `json:"type_code,omitempty"`
	State       State       `json:"state,omitempty"`
	CreatedFrom party.Date  `json:"created_from,omitzero"`
	CreatedTo   party.Date  `json:"created_to,omitzero"`
	Cursor      string      `json:"cursor,omitempty"` // next_cursor of the page before
	Limit       int         `json:"limit,omitempty"`  // 1 to 100, default 20
}

// SearchResult is one page of found licenses, without personal data.
type SearchResult struct {
	Licenses   []Summary `json:"licenses"`
	NextCursor string    `json:"next_cursor,omitempty"` // empty: this was the last page
}

// Search finds licenses of the caller's participant.
func (r *Registry) Search(ctx context.Context, a Actor, q SearchRequest) (SearchResult, error) {
	return SearchResult{}, errUnbuilt
}

// PutType writes the draft of a type: its first version, or the one after the published one.
func (r *Registry) PutType(ctx context.Context, a Actor, code TypeCode, d Definition) (t Type, created bool, err error) {
	return Type{}, false, errUnbuilt
}

// PublishType makes the draft the version that licenses are issued under.
func (r *Registry) PublishType(ctx context.Context, a Actor, code TypeCode) (Type, error) {
	return Type{}, errUnbuilt
}

// RetireType ends issuing under a type; its licenses stay as they are.
func (r *Registry) RetireType(ctx context.Context, a Actor, code TypeCode) (Type, error) {
	return Type{}, errUnbuilt
}

// Type returns a version of a type: 0 for the published one, or else the newest.
func (r *Registry) Type(ctx context.Context, code TypeCode, version int) (Type, error) {
	return Type{}, errUnbuilt
}

// Types lists the newest version of each type with a code greater than after.
func (r *Registry) Types(ctx context.Context, after TypeCode, limit int) ([]Type, error) {
	return nil, errUnbuilt
}

// Verify checks a credential, whole or with fields withheld. It always returns a verdict.
func (r *Registry) Verify(ctx context.Context, credential string) Verification {
	return Verification{}
}

// VerifyIdentifier checks the license with an identifier and the verification
// code printed on it. Whatever is wrong gets one uniform answer. An *Error of
// KindLimited means too many wrong tries for this identifier.
func (r *Registry) VerifyIdentifier(ctx context.Context, identifier, code string) (Verification, error) {
	return Verification{}, errUnbuilt
}

// StatusList returns status list n, signed (a JWT, typ statuslist+jwt), or a missing error.
func (r *Registry) StatusList(ctx context.Context, n int64) (string, error) { return "", errUnbuilt }

// Refused records that an authenticated caller was refused something before it
// reached the registry, such as for a missing scope.
func (r *Registry) Refused(ctx context.Context, a Actor, action Action, id ID, reason string) error {
	return errUnbuilt
}

// Rehash gives every stored license its lookup keys under all live lookup keys,
// and calls progress with how many versions it has done. It can be run again
// and beside a running server.
func (r *Registry) Rehash(ctx context.Context, progress func(done int)) error { return errUnbuilt }
