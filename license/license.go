// Package license is the registry of electronic licenses 电子证照库: the catalog
// of types, a license's identifier and life cycle, its signed credential, the
// status lists that say what became of it, and verification.
//
// The package holds the rules. It knows no HTTP and no SQL; it seals what is
// personal before a [Store] sees it, and signs nothing that [Registry] has not
// checked.
package license

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"strings"
	"time"

	"yizheng.internal/license/party"
)

// ID names one license through all its versions: 26 lower-case letters and
// digits, 128 random bits. It is the only thing about a license in a URL.
type ID string

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func newID() ID {
	var b [16]byte
	rand.Read(b[:])
	return ID(idEncoding.EncodeToString(b[:]))
}

// Valid reports whether the ID has the form of one.
func (id ID) Valid() bool {
	return len(id) == 26 && strings.Trim(string(id), "abcdefghijklmnopqrstuvwxyz234567") == ""
}

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

// EndingKind is how a license ended.
type EndingKind string

const (
	Cancelled EndingKind = "cancelled" // 注销
	Rescinded EndingKind = "rescinded" // 撤销; may reach back to the issue
	Revoked   EndingKind = "revoked"   // 吊销
	Withdrawn EndingKind = "withdrawn" // 撤回
	Lapsed    EndingKind = "lapsed"    // 失效
)

// Document is the legal document that an ending rests on.
type Document struct {
	Number string     `json:"number"`           // 文号
	Date   party.Date `json:"date"`             //
	SHA256 string     `json:"sha256,omitempty"` // of the document's file, hex
	Basis  string     `json:"basis"`            // the article of law 法律依据
}

// Ending says how, from when and on what ground a version ended.
type Ending struct {
	Kind          EndingKind `json:"kind"`
	EffectiveFrom party.Date `json:"effective_from"`
	RecordedAt    time.Time  `json:"recorded_at"`
	Document      Document   `json:"document"`
}

// Origin says who vouches for a version.
type Origin string

const (
	OriginAuthority Origin = "authority" // issued here by its authority
	OriginCollected Origin = "collected" // 归集: taken over from elsewhere; the registry attests it
)

// TrustGrade is the grade of 国办函〔2016〕108号: A made by the authority itself,
// B checked against the original, C uploaded by the user, D made by the user.
type TrustGrade string

const (
	GradeA TrustGrade = "A"
	GradeB TrustGrade = "B"
	GradeC TrustGrade = "C"
	GradeD TrustGrade = "D"
)

// Provenance says where a version's data came from.
type Provenance struct {
	Source     string    `json:"source"`                // the client that issued it, or the source it was collected from
	RecordID   string    `json:"record_id,omitempty"`   // the record's id at the source
	RecordHash string    `json:"record_hash,omitempty"` // SM3 of the record as delivered, hex
	Batch      string    `json:"batch,omitempty"`       // the import it came with
	Time       time.Time `json:"time"`
}

// Holder is one 持证主体 of a license; several are normal.
type Holder struct {
	Name     string         `json:"name"`
	CodeType party.CodeType `json:"code_type"`
	Code     string         `json:"code"`
	Role     string         `json:"role"`            // a role of the type, such as "holder" or "spouse"
	Share    string         `json:"share,omitempty"` // 共有份额, as printed, such as "1/2"
}

// Version is one version of a license, opened.
type Version struct {
	Version          int             `json:"version"`
	State            State           `json:"state"`
	TypeVersion      int             `json:"type_version"`
	Identifier       Identifier      `json:"identifier"`
	CheckMismatch    bool            `json:"check_mismatch,omitempty"` // a collected identifier's check character is wrong
	Number           string          `json:"number"`
	Holders          []Holder        `json:"holders"`
	ValidFrom        party.Date      `json:"valid_from"`
	ValidUntil       party.Date      `json:"valid_until,omitzero"` // last day; none: 长期
	AreaCode         string          `json:"area_code,omitempty"`
	Fields           json.RawMessage `json:"fields"`
	Origin           Origin          `json:"origin"`
	TrustGrade       TrustGrade      `json:"trust_grade"`
	Provenance       Provenance      `json:"provenance"`
	Replaces         ReplaceKind     `json:"replaces,omitempty"` // why this version took its predecessor's place
	IssuedAt         time.Time       `json:"issued_at"`
	VerificationCode string          `json:"verification_code"` // 查验码, printed on the license
	Ending           *Ending         `json:"ending,omitempty"`
}

// License is one license with one of its versions.
type License struct {
	ID            ID         `json:"id"`
	Revision      int64      `json:"revision"`
	TypeCode      TypeCode   `json:"type_code"`
	TypeName      string     `json:"type_name"`
	Authority     party.USCC `json:"authority"`
	NewestVersion int        `json:"newest_version"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
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
	ID        ID        `json:"id"`
	TypeCode  TypeCode  `json:"type_code"`
	TypeName  string    `json:"type_name"`
	Version   int       `json:"version"`
	State     State     `json:"state"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}
