// Package registry is the life of a license: it is issued, replaced, suspended, resumed and
// ended by its authority, which reads and searches its own. Nothing is signed that was not
// checked. The records that all this is kept in are package license's.
//
// Licenses that were issued elsewhere (credential.OriginCollected) can be verified and shown,
// but nothing takes them in yet: what does will be a room beside this one.
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
	TypeCode   credential.TypeCode `json:"type_code" doc:"a published type, whose authorities name your participant"`
	Number     string              `json:"number" doc:"the license's number 证照编号, 1 to 100 characters; personal, so it is sealed"`
	Holders    []credential.Holder `json:"holders" doc:"持证主体, as many of each role as the type demands"`
	ValidFrom  party.Date          `json:"valid_from,omitzero" required:"true" doc:"the first day of validity, civil, UTC+8"`
	ValidUntil party.Date          `json:"valid_until,omitzero" doc:"the last day of validity; absent: long-term 长期, if the type allows it"`
	AreaCode   string              `json:"area_code,omitempty" doc:"6, 9 or 12 digits (GB/T 2260, GB/T 10114)"`
	Fields     json.RawMessage     `json:"fields" doc:"the face fields 照面信息, by the type's schema; at most 64 KiB"`
	Serial     string              `json:"serial,omitempty" doc:"the serial of the identifier 流水号, 1 to 64 digits and upper-case letters, no citizen number in it; absent: a random one"`
}

// ReplaceRequest is the whole content of the version that takes the newest one's place.
type ReplaceRequest struct {
	Kind       license.ReplaceKind `json:"kind" doc:"变更 change, 延续 renewal, 更正 correction: of a license that is active, or suspended and stays so; reinstated: its ending was overturned" enum:"change,renewal,correction,reinstated"`
	Reason     string              `json:"reason" doc:"why, 1 to 500 characters; it stands in the history"`
	Number     string              `json:"number" doc:"as in issuing"`
	Holders    []credential.Holder `json:"holders" doc:"as in issuing; the same as before, by role and code, but for roles that the type calls replaceable"`
	ValidFrom  party.Date          `json:"valid_from,omitzero" required:"true" doc:"as in issuing"`
	ValidUntil party.Date          `json:"valid_until,omitzero" doc:"as in issuing"`
	AreaCode   string              `json:"area_code,omitempty" doc:"as in issuing"`
	Fields     json.RawMessage     `json:"fields" doc:"as in issuing"`
}

// SuspendRequest suspends a license.
type SuspendRequest struct {
	Reason   string           `json:"reason" doc:"why, 1 to 500 characters; it stands in the history"`
	Document license.Document `json:"document" doc:"the legal document that the suspension rests on"`
}

// ResumeRequest puts a suspended license back in force.
type ResumeRequest struct {
	Reason string `json:"reason" doc:"why, 1 to 500 characters; it stands in the history"`
}

// EndRequest ends a license.
type EndRequest struct {
	Reason        string             `json:"reason" doc:"why, 1 to 500 characters; it stands in the history"`
	Kind          license.EndingKind `json:"kind" doc:"注销 cancelled, 撤销 rescinded, 吊销 revoked, 撤回 withdrawn, 失效 lapsed" enum:"cancelled,rescinded,revoked,withdrawn,lapsed"`
	EffectiveFrom party.Date         `json:"effective_from,omitzero" required:"true" doc:"the first day on which the license is no longer in force: from the day of issue, or of validity, to today"`
	Document      license.Document   `json:"document" doc:"the legal document that the ending rests on"`
}

// Issued answers an issue or a replacement.
type Issued struct {
	ID               audit.ID              `json:"id" doc:"opaque; it names the license through all its versions, and is all that URLs carry"`
	Identifier       credential.Identifier `json:"identifier" doc:"电子证照标识 (GB/T 36904) of this version"`
	VerificationCode string                `json:"verification_code" doc:"查验码 of this version, to be printed on the license"`
	Version          int                   `json:"version" doc:"of the license, from 1"`
	Revision         int64                 `json:"revision,omitzero" doc:"of the license, as of this request; the ETag, for If-Match"`
	State            license.State         `json:"state" doc:"as of this request" enum:"draft,submitted,returned,active,suspended,superseded,ended"`
	Credential       string                `json:"credential" doc:"the signed SD-JWT VC, with all disclosures"`
	Replayed         bool                  `json:"-"` // the answer to an earlier request with the same key
}

// Changed answers a change of a license's state.
type Changed struct {
	license.License
	Replayed bool `json:"-"` // the answer to an earlier request with the same key
}

// SearchRequest finds the caller's licenses. Empty members don't restrict; at
// most one of Identifier, Number and Holder may be set. Number needs TypeCode.
type SearchRequest struct {
	Identifier  string              `json:"identifier,omitempty" doc:"a whole identifier; one of identifier, number and holder may be given"`
	Number      string              `json:"number,omitempty" doc:"a whole number; type_code must be given too"`
	Holder      *party.Code         `json:"holder,omitempty" doc:"a holder's code"`
	TypeCode    credential.TypeCode `json:"type_code,omitempty" doc:"licenses of this type"`
	State       license.State       `json:"state,omitempty" doc:"licenses whose newest version has this state" enum:"active,suspended,superseded,ended"`
	CreatedFrom party.Date          `json:"created_from,omitzero" doc:"issued on this day, UTC+8, or later"`
	CreatedTo   party.Date          `json:"created_to,omitzero" doc:"issued on this day or earlier"`
	Cursor      string              `json:"cursor,omitempty" doc:"next_cursor of the page before"`
	Limit       int                 `json:"limit,omitzero" doc:"how many at the most, 1 to 100; default 20"`
}

// SearchResult is one page of found licenses, without personal data.
type SearchResult struct {
	Licenses   []license.Summary `json:"licenses" doc:"newest first"`
	NextCursor string            `json:"next_cursor,omitempty" doc:"the cursor of the next page; absent on the last"`
}
