package catalog

import (
	"encoding/json"
	"slices"
	"time"

	"yizheng.internal/license/catalog/entry"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
)

// HolderRole says which holders a license of a type has.
type HolderRole struct {
	Role string `json:"role"`
	Name string `json:"name"`
	// Names are the role's names in other languages.
	Names party.Names `json:"names,omitempty"`
	Min   int         `json:"min"` // how many of them a license has at least
	Max   int         `json:"max"` // how many of them a license has at most
	// Replaceable: a new version of the license may name other holders in this role.
	Replaceable bool             `json:"replaceable,omitzero"`
	CodeTypes   []party.CodeType `json:"code_types"` // the types that such a holder's code may have
}

// Validity says how long licenses of a type are valid.
type Validity struct {
	LongTerm  bool `json:"long_term"`           // 长期 is allowed
	MaxMonths int  `json:"max_months,omitzero"` // the longest period; 0: no limit
}

// NumberPolicy says whether two licenses of the same type and authority may share a number.
type NumberPolicy string

const (
	NumberUnique NumberPolicy = "unique"
	NumberShared NumberPolicy = "shared" // originals and duplicates 正本/副本
)

// Approval says who must agree before a license is signed.
type Approval string

const (
	OneStep Approval = "one_step" // the issuing client alone
	TwoStep Approval = "two_step" // two different officers
)

// Definition is what a catalog client says of a type.
type Definition struct {
	Name        string          `json:"name"`              // Chinese
	Names       party.Names     `json:"names,omitempty"`   // in other languages
	NameEN      string          `json:"name_en,omitempty"` // the older way to write the name in English
	Schema      json.RawMessage `json:"schema"`            // JSON Schema (2020-12) of the face fields 照面信息
	Holders     []HolderRole    `json:"holders"`
	Validity    Validity        `json:"validity"`
	Numbers     NumberPolicy    `json:"number_policy"`
	Approval    Approval        `json:"approval"`
	Authorities []party.USCC    `json:"authorities"`         // who may issue and change licenses; the newest published version decides for all
	Coverage    []party.USCC    `json:"coverage,omitempty"`  // the authorities all of whose licenses of the type are here
	Sensitive   []string        `json:"sensitive,omitempty"` // fields that need a reason of their own before they are released
	Layout      json.RawMessage `json:"layout,omitempty"`    // how the license looks
}

// NamesBeside returns the type's names in languages other than Chinese.
func (d *Definition) NamesBeside() party.Names {
	if d.NameEN == "" || d.Names["en"] != "" {
		return d.Names
	}
	return d.Names.Beside(party.Names{"en": d.NameEN})
}

// Type is one version of a catalog entry 证照类型.
type Type struct {
	Code    credential.TypeCode `json:"code"`
	Version int                 `json:"version"` // of the definition, from 1
	State   entry.State         `json:"state"`
	Definition
	Owner       string    `json:"owner"`      // id of the participant that defined it
	CreatedAt   time.Time `json:"created_at"` // when this version was first written
	PublishedAt time.Time `json:"published_at,omitzero"`
	RetiredAt   time.Time `json:"retired_at,omitzero"`
	Revision    int64     `json:"revision"` // counts changes of this version, from 1
}

// Role returns the type's role of that name, or nil.
func (t *Type) Role(name string) *HolderRole {
	for i := range t.Holders {
		if t.Holders[i].Role == name {
			return &t.Holders[i]
		}
	}
	return nil
}

// Takes reports whether a holder in this role may have a code of this type.
func (h *HolderRole) Takes(t party.CodeType) bool {
	return slices.Contains(h.CodeTypes, t)
}

// Covered reports whether all of the authorities' licenses of the type are here.
func (t *Type) Covered() bool {
	for _, c := range t.Authorities {
		if !slices.Contains(t.Coverage, c) {
			return false
		}
	}
	return len(t.Authorities) > 0
}
