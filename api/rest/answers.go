package rest

import (
	"encoding/json"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/signing/journal"
)

// Bodies of answers about licenses. They are converted from the rules' types of the same names.

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

// Version is one version of a license.
type Version struct {
	Version          int                   `json:"version" doc:"of the license, from 1"`
	State            license.State         `json:"state" doc:"of this version" enum:"draft,submitted,returned,active,suspended,superseded,ended"`
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
	Provenance       license.Provenance    `json:"provenance" doc:"where this version's data came from"`
	Replaces         license.ReplaceKind   `json:"replaces,omitempty" doc:"why this version took its predecessor's place" enum:"change,renewal,correction,reinstated"`
	IssuedAt         time.Time             `json:"issued_at" doc:"when this version was signed"`
	VerificationCode string                `json:"verification_code" doc:"查验码, printed on the license: whoever has it and the identifier can verify"`
	Ending           *license.Ending       `json:"ending,omitempty" doc:"how it ended; absent while it has not"`
	Suspension       *license.Suspension   `json:"suspension,omitempty" doc:"on what ground it is suspended; absent while it is not, and of suspensions of before documents were kept"`
}

// licenseOf returns a license as it is answered.
func licenseOf(l license.License) License {
	return License{l.ID, l.Revision, l.TypeCode, l.TypeName, l.Authority, l.NewestVersion, l.CreatedAt, l.UpdatedAt, Version(l.Version)}
}

// SearchResult is one page of found licenses, without personal data.
type SearchResult struct {
	Licenses   []Summary `json:"licenses" doc:"newest first"`
	NextCursor string    `json:"next_cursor,omitempty" doc:"the cursor of the next page; absent on the last"`
}

// Summary is what a search shows of a license: nothing personal.
type Summary struct {
	ID        audit.ID            `json:"id" doc:"to read the license by"`
	TypeCode  credential.TypeCode `json:"type_code" doc:"证照类型代码 (GB/T 36904)"`
	TypeName  string              `json:"type_name" doc:"the type's name"`
	Version   int                 `json:"version" doc:"the newest version"`
	State     license.State       `json:"state" doc:"of the newest version" enum:"draft,submitted,returned,active,suspended,superseded,ended"`
	CreatedAt time.Time           `json:"created_at" doc:"when version 1 was issued"`
	UpdatedAt time.Time           `json:"updated_at" doc:"when anything last changed"`
}

// searchResultOf returns a page of found licenses as it is answered.
func searchResultOf(found registry.SearchResult) SearchResult {
	out := SearchResult{Licenses: make([]Summary, len(found.Licenses)), NextCursor: found.NextCursor}
	for i, s := range found.Licenses {
		out.Licenses[i] = Summary(s)
	}
	return out
}

// Event is what a license's history shows of an event.
type Event struct {
	Seq         int64             `json:"seq" doc:"rises from event to event"`
	ID          string            `json:"id" doc:"opaque"`
	At          time.Time         `json:"at" doc:"when it happened"`
	Action      journal.Action    `json:"action" doc:"what was done, such as license.issue or license.read"`
	Client      string            `json:"client,omitempty" doc:"the client that did it; cli: and the operator's name for a command; absent: another department read by a use code, or the holder looked"`
	Participant string            `json:"participant,omitempty" doc:"id of the client's participant; absent likewise"`
	RequestID   string            `json:"request_id,omitempty" doc:"finds the request in the service's log"`
	License     audit.ID          `json:"license,omitempty" doc:"the license"`
	Version     int               `json:"version,omitzero" doc:"the version that was acted on; absent: no particular one"`
	Result      string            `json:"result" doc:"ok, or the reason code of a refusal; refused where the client is absent"`
	Detail      map[string]string `json:"detail,omitempty" doc:"reason, kind, …; may be personal"`
}
