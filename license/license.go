// Package license has what an electronic license 电子证照 is, its states and the kinds of
// endings, and the records of licenses: the rooms above find, load and open them here.
// Registry leads a license's life, offer finds what somebody has, grant keeps what they agreed
// to, access lets it be read, verify verifies what is shown, and library puts all of it
// together. Below, package catalog has what can be issued and asked for, credential what is
// signed and how it is verified, status the lists that say what became of it.
//
// It seals what is personal before a [Store] sees it, and knows no HTTP and no SQL.
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
	Number string     `json:"number" doc:"文号, 1 to 100 characters"`
	Date   party.Date `json:"date,omitzero" required:"true" doc:"the day of the document; not in the future"`
	SHA256 string     `json:"sha256,omitempty" doc:"SHA-256 of the document's file, 64 lower-case hexadecimal digits"`
	Basis  string     `json:"basis" doc:"the article of law 法律依据, 1 to 500 characters"`
}

// Suspension says on what ground a version is suspended.
type Suspension struct {
	RecordedAt time.Time `json:"recorded_at" doc:"when the registry was told"`
	Document   Document  `json:"document" doc:"the legal document that the suspension rests on"`
}

// Provenance says where a version's data came from.
type Provenance struct {
	Source     string    `json:"source" doc:"the client that issued it, or the source it was collected from"`
	RecordID   string    `json:"record_id,omitempty" doc:"the record's id at the source"`
	RecordHash string    `json:"record_hash,omitempty" doc:"SM3 of the record as delivered, hexadecimal"`
	Batch      string    `json:"batch,omitempty" doc:"the import it came with"`
	Time       time.Time `json:"time" doc:"when it came"`
}

// Version is one version of a license, opened.
type Version struct {
	Version          int                   `json:"version" doc:"of the license, from 1"`
	State            State                 `json:"state" doc:"of this version" enum:"draft,submitted,returned,active,suspended,superseded,ended"`
	TypeVersion      int                   `json:"type_version" doc:"the version of the type's definition that it was issued under"`
	Identifier       credential.Identifier `json:"identifier" doc:"电子证照标识 (GB/T 36904)"`
	CheckMismatch    bool                  `json:"check_mismatch,omitzero" doc:"true: a collected identifier's check character is wrong"`
	Number           string                `json:"number" doc:"the license's number 证照编号"`
	Holders          []credential.Holder   `json:"holders" doc:"持证主体, in order"`
	ValidFrom        party.Date            `json:"valid_from" doc:"the first day of validity"`
	ValidUntil       party.Date            `json:"valid_until,omitzero" doc:"the last day of validity; absent: long-term 长期"`
	AreaCode         string                `json:"area_code,omitempty" doc:"6, 9 or 12 digits (GB/T 2260, GB/T 10114)"`
	Fields           json.RawMessage       `json:"fields" doc:"the face fields 照面信息, by the type's schema"`
	Origin           credential.Origin     `json:"origin" doc:"authority: issued here by it; collected: taken over from elsewhere" enum:"authority,collected"`
	TrustGrade       credential.TrustGrade `json:"trust_grade" doc:"A made by the authority, B checked against the original, C uploaded by the user, D made by the user" enum:"A,B,C,D"`
	Provenance       Provenance            `json:"provenance" doc:"where this version's data came from"`
	Replaces         ReplaceKind           `json:"replaces,omitempty" doc:"why this version took its predecessor's place" enum:"change,renewal,correction,reinstated"`
	IssuedAt         time.Time             `json:"issued_at" doc:"when this version was signed"`
	VerificationCode string                `json:"verification_code" doc:"查验码, printed on the license: whoever has it and the identifier can verify"`
	Ending           *Ending               `json:"ending,omitempty" doc:"how it ended; absent while it has not"`
	Suspension       *Suspension           `json:"suspension,omitempty" doc:"on what ground it is suspended; absent while it is not, and of suspensions of before documents were kept"`
}

// License is one license with one of its versions.
type License struct {
	ID            audit.ID            `json:"id" doc:"opaque; it names the license through all its versions"`
	Revision      int64               `json:"revision" doc:"counts changes, from 1; the ETag, for If-Match"`
	TypeCode      credential.TypeCode `json:"type_code" doc:"证照类型代码 (GB/T 36904): 18 characters and three digits"`
	TypeName      string              `json:"type_name" doc:"the type's name"`
	Authority     party.USCC          `json:"authority" doc:"unified social credit code of the department that issued it"`
	NewestVersion int                 `json:"newest_version" doc:"the newest version there is"`
	CreatedAt     time.Time           `json:"created_at" doc:"when version 1 was issued"`
	UpdatedAt     time.Time           `json:"updated_at" doc:"when anything last changed"`
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
	ID        audit.ID            `json:"id" doc:"to read the license by"`
	TypeCode  credential.TypeCode `json:"type_code" doc:"证照类型代码 (GB/T 36904)"`
	TypeName  string              `json:"type_name" doc:"the type's name"`
	Version   int                 `json:"version" doc:"the newest version"`
	State     State               `json:"state" doc:"of the newest version" enum:"draft,submitted,returned,active,suspended,superseded,ended"`
	CreatedAt time.Time           `json:"created_at" doc:"when version 1 was issued"`
	UpdatedAt time.Time           `json:"updated_at" doc:"when anything last changed"`
}
