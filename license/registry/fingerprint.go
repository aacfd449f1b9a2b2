package registry

import (
	"encoding/json"
	"fmt"
	"strconv"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
)

// A fingerprint says whether a request with a known idempotency key is the one that the key was first used for.
// It is stored and compared later, perhaps by a newer program whose requests have more members. So it is not
// computed over the request's struct but over a form of the request: a struct in this file, which never changes.
// A request that gets a new member also gets a second form, which has that member. The request alone decides
// which form is used: it is the oldest one that holds the whole request. So a fingerprint that was stored before
// an update is compared in the form that it was computed over, and during an update nodes with either program
// compute the same fingerprint.

// form is what a request's fingerprint is computed over.
type form struct {
	version int // from 1
	of      any // as JSON
}

// repeatable is a request that may come with an idempotency key.
type repeatable interface {
	// form returns the oldest form that holds the request whole.
	form() form
}

// fingerprinted returns the values that a request's fingerprint is computed over: operation, license, the form,
// and the form's version. Version 1 is left out, because there was no other when it was first stored.
func fingerprinted(operation string, id audit.ID, q repeatable) ([]string, error) {
	f := q.form()
	plain, err := json.Marshal(f.of)
	if err != nil {
		return nil, fmt.Errorf("encoding a request in form %d: %w", f.version, err)
	}
	of := []string{operation, string(id), string(plain)}
	if f.version > 1 {
		of = append(of, strconv.Itoa(f.version))
	}
	return of, nil
}

type holder1 struct {
	Name     string         `json:"name"`
	CodeType party.CodeType `json:"code_type"`
	Code     string         `json:"code"`
	Role     string         `json:"role"`
	Share    string         `json:"share,omitempty"`
}

func holders1(hs []credential.Holder) []holder1 {
	if hs == nil {
		return nil // null, not []
	}
	all := make([]holder1, len(hs))
	for i, h := range hs {
		all[i] = holder1{h.Name, h.CodeType, h.Code, h.Role, h.Share}
	}
	return all
}

type document1 struct {
	Number string     `json:"number"`
	Date   party.Date `json:"date,omitzero"`
	SHA256 string     `json:"sha256,omitempty"`
	Basis  string     `json:"basis"`
}

func documentForm1(d *license.Document) document1 {
	return document1{d.Number, d.Date, d.SHA256, d.Basis}
}

type issue1 struct {
	TypeCode   credential.TypeCode `json:"type_code"`
	Number     string              `json:"number"`
	Holders    []holder1           `json:"holders"`
	ValidFrom  party.Date          `json:"valid_from,omitzero"`
	ValidUntil party.Date          `json:"valid_until,omitzero"`
	AreaCode   string              `json:"area_code,omitempty"`
	Fields     json.RawMessage     `json:"fields"`
	Serial     string              `json:"serial,omitempty"`
}

func (q IssueRequest) form() form {
	return form{1, issue1{q.TypeCode, q.Number, holders1(q.Holders), q.ValidFrom, q.ValidUntil, q.AreaCode, q.Fields, q.Serial}}
}

type replace1 struct {
	Kind       license.ReplaceKind `json:"kind"`
	Reason     string              `json:"reason"`
	Number     string              `json:"number"`
	Holders    []holder1           `json:"holders"`
	ValidFrom  party.Date          `json:"valid_from,omitzero"`
	ValidUntil party.Date          `json:"valid_until,omitzero"`
	AreaCode   string              `json:"area_code,omitempty"`
	Fields     json.RawMessage     `json:"fields"`
}

func (q ReplaceRequest) form() form {
	return form{1, replace1{q.Kind, q.Reason, q.Number, holders1(q.Holders), q.ValidFrom, q.ValidUntil, q.AreaCode, q.Fields}}
}

type suspend1 struct {
	Reason   string    `json:"reason"`
	Document document1 `json:"document"`
}

func (q SuspendRequest) form() form {
	return form{1, suspend1{q.Reason, documentForm1(&q.Document)}}
}

type resume1 struct {
	Reason string `json:"reason"`
}

func (q ResumeRequest) form() form { return form{1, resume1(q)} }

type end1 struct {
	Reason        string             `json:"reason"`
	Kind          license.EndingKind `json:"kind"`
	EffectiveFrom party.Date         `json:"effective_from,omitzero"`
	Document      document1          `json:"document"`
}

func (q EndRequest) form() form {
	return form{1, end1{q.Reason, q.Kind, q.EffectiveFrom, documentForm1(&q.Document)}}
}
