// Package registry leads the life of a license: its authority issues, replaces, suspends, resumes and ends it,
// and reads and searches its own licenses. Nothing is signed that was not checked. The records of licenses are
// package license's.
//
// Licenses that were issued elsewhere (credential.OriginCollected) can be verified and shown, but nothing takes
// them in yet. The package that will do so belongs beside this one.
package registry

import (
	"encoding/json"
	"log/slog"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Config says what a [Service] works with. All of it is required.
type Config struct {
	Store       license.Store // see AuthenticStores
	Records     *license.Records
	Types       *catalog.Types
	Lists       *status.Lists
	Authorities *license.Authorities
	Keyrings    *signing.Keyrings
	Vault       *vault.Vault
	Journal     *journal.Recorder
	Events      journal.Store // where histories are read
	PublicURL   string        // absolute, without a slash at the end: status lists' addresses build on it
	Log         *slog.Logger
	Step        func(name string) // is called with the name of each step of a change: failpoints of tests
}

// Service issues, changes and ends licenses, and shows them to their authority. Safe for
// concurrent use. Refusals that a caller may see are *refusal.Error.
type Service struct {
	c        Config
	requests requests
	sealer   sealer
}

// New returns a Service.
func New(c Config) *Service {
	return &Service{c: c, requests: requests{c}, sealer: sealer{c: c}}
}

// IssueRequest is what an authority says of a new license.
type IssueRequest struct {
	TypeCode   credential.TypeCode // of a published type, whose authorities name the caller's participant
	Number     string
	Holders    []credential.Holder
	ValidFrom  party.Date      // the first day
	ValidUntil party.Date      // the last day; zero: long-term 长期
	AreaCode   string          // empty: none
	Fields     json.RawMessage // the face fields 照面信息, by the type's schema
	Serial     string          // of the identifier 流水号; empty: a random one
}

// ReplaceRequest is the whole content of the version that takes the newest one's place.
type ReplaceRequest struct {
	Kind       license.ReplaceKind
	Reason     string // stands in the history
	Number     string
	Holders    []credential.Holder // those of before, except in roles that the type calls replaceable
	ValidFrom  party.Date
	ValidUntil party.Date // zero: long-term 长期
	AreaCode   string
	Fields     json.RawMessage
}

// SuspendRequest suspends a license.
type SuspendRequest struct {
	Reason   string           // stands in the history
	Document license.Document // that the suspension rests on
}

// ResumeRequest puts a suspended license back in force.
type ResumeRequest struct {
	Reason string // stands in the history
}

// EndRequest ends a license.
type EndRequest struct {
	Reason        string // stands in the history
	Kind          license.EndingKind
	EffectiveFrom party.Date       // the first day on which it is no longer in force
	Document      license.Document // that the ending rests on
}

// Issued answers an issue or a replacement.
type Issued struct {
	ID               audit.ID // of the license, through all its versions
	Identifier       credential.Identifier
	VerificationCode string        // 查验码 of this version
	Version          int           // from 1
	Revision         int64         // of the license, as of this request
	State            license.State // as of this request
	Credential       string        // the signed SD-JWT VC, with all disclosures
	Replayed         bool          // the answer to an earlier request with the same key
}

// Changed answers a change of a license's state.
type Changed struct {
	license.License
	Replayed bool // the answer to an earlier request with the same key
}

// SearchRequest finds the caller's licenses. Empty members don't restrict; at
// most one of Identifier, Number and Holder may be set. Number needs TypeCode.
type SearchRequest struct {
	Identifier  string
	Number      string
	Holder      *party.Code // a holder's code
	TypeCode    credential.TypeCode
	State       license.State // of the newest version
	CreatedFrom party.Date    // the first day, UTC+8
	CreatedTo   party.Date    // the last day
	Cursor      string        // NextCursor of the page before
	Limit       int           // 1 to 100; 0: 20
}

// SearchResult is one page of found licenses, without personal data.
type SearchResult struct {
	Licenses   []license.Summary // newest first
	NextCursor string            // empty: this is the last page
}
