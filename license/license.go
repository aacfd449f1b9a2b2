// Package license defines electronic licenses 电子证照, their states and kinds of endings, and the records of
// licenses, which the rooms above find, load and open here. Of these rooms, registry issues, changes and ends
// licenses, offer finds the licenses that somebody has, grant keeps what holders agreed to, access lets granted
// licenses be read, verify verifies what is shown, and library puts all of them together. Below, package catalog
// defines what can be issued and asked for, credential defines what is signed and how it is verified, and status
// keeps the lists that say what became of it.
//
// The package seals what is personal before a [Store] sees it, and knows no HTTP and no SQL.
package license

import (
	"encoding/json"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
)

// State is what the registry last decided about a version of a license. The
// zero State is not valid, so a half-filled row cannot pass for an issued
// license. Expiry is no state: it is a question about a date.
type State string

const (
	Draft      State = "draft"      // being written
	Submitted  State = "submitted"  // awaits another officer's approval
	Returned   State = "returned"   // sent back by the approver
	Active     State = "active"     // in force
	Suspended  State = "suspended"  // 暂扣, may be resumed
	Superseded State = "superseded" // a newer version is in its place
	Ended      State = "ended"      // see Ending
)

// Document is the legal document that an ending or a suspension rests on.
type Document struct {
	Number string     `json:"number"` // 文号
	Date   party.Date `json:"date,omitzero"`
	SHA256 string     `json:"sha256,omitempty"` // of the document's file, in lower-case hexadecimal; empty: not given
	Basis  string     `json:"basis"`            // the article of law 法律依据
}

// Suspension says on what ground a version is suspended.
type Suspension struct {
	RecordedAt time.Time `json:"recorded_at"` // when the registry was told
	Document   Document  `json:"document"`
}

// Provenance says where a version's data came from.
type Provenance struct {
	Source     string    `json:"source"`                // the client that issued it, or the source it was collected from
	RecordID   string    `json:"record_id,omitempty"`   // at the source
	RecordHash string    `json:"record_hash,omitempty"` // SM3 of the record as delivered, in hexadecimal
	Batch      string    `json:"batch,omitempty"`       // the import it came with
	Time       time.Time `json:"time"`                  // when it came
}

// Version is one version of a license, opened.
type Version struct {
	Version          int // of the license, from 1
	State            State
	TypeVersion      int // of the type's definition that it was issued under
	Identifier       credential.Identifier
	CheckMismatch    bool // a collected identifier's check character is wrong
	Number           string
	Holders          []credential.Holder
	ValidFrom        party.Date
	ValidUntil       party.Date // the last day; zero: long-term 长期
	AreaCode         string
	Fields           json.RawMessage // the face fields 照面信息, by the type's schema
	Origin           credential.Origin
	TrustGrade       credential.TrustGrade
	Provenance       Provenance
	Replaces         ReplaceKind // empty: nothing
	IssuedAt         time.Time   // when this version was signed
	VerificationCode string      // 查验码: whoever has it and the identifier can verify
	Ending           *Ending     // nil: it has not ended
	Suspension       *Suspension // nil: it is not suspended, or was before documents were kept
}

// License is one license with one of its versions.
type License struct {
	ID            audit.ID // the same for all versions
	Revision      int64    // counts changes, from 1
	TypeCode      credential.TypeCode
	TypeName      string
	Authority     party.USCC // who issued it
	NewestVersion int        // the newest version there is
	CreatedAt     time.Time  // when version 1 was issued
	UpdatedAt     time.Time  // when anything last changed
	Version
}

// ReplaceKind is why a version takes the place of the one before it.
type ReplaceKind string

const (
	Change     ReplaceKind = "change"     // 变更
	Renewal    ReplaceKind = "renewal"    // 延续
	Correction ReplaceKind = "correction" // 更正
	Reinstated ReplaceKind = "reinstated" // an ending was overturned
)

// Summary is what a search shows of a license: nothing personal.
type Summary struct {
	ID        audit.ID
	TypeCode  credential.TypeCode
	TypeName  string
	Version   int       // the newest
	State     State     // of the newest version
	CreatedAt time.Time // when version 1 was issued
	UpdatedAt time.Time // when anything last changed
}
