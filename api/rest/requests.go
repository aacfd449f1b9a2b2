package rest

import (
	"encoding/json"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
)

// Bodies of requests about licenses. Each type has the same fields as the type of the same name
// in package registry, so that Go converts one to the other. If only one of them has a field, the
// conversion doesn't compile.

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

// SearchRequest finds the caller's licenses.
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
