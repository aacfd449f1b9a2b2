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
	Role string `json:"role" doc:"name of the role in lower-case letters, such as holder or spouse"`
	Name string `json:"name" doc:"the role's Chinese name, such as 持证人"`
	// Names are the role's in other languages.
	Names party.Names `json:"names,omitempty" doc:"its name in other languages, by language tag"`
	Min   int         `json:"min" doc:"how many holders of this role at least"`
	Max   int         `json:"max" doc:"how many at the most; 1 to 100"`
	// Replaceable holders may be others in a new version of the license.
	Replaceable bool             `json:"replaceable,omitzero" doc:"a new version may name others in this role, as when 法定代表人 changes; in all other roles a license keeps its holders"`
	CodeTypes   []party.CodeType `json:"code_types" doc:"the code types (GB/T 36903 annex A) that such a holder may have"`
}

// Validity says how long licenses of a type are valid.
type Validity struct {
	LongTerm  bool `json:"long_term" doc:"valid_until may be left out (长期)"`
	MaxMonths int  `json:"max_months,omitzero" doc:"the longest period, in months, at most 1200; 0 or absent: no limit"`
}

// NumberPolicy says whether two licenses of a type and authority may share a number.
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
	Name        string          `json:"name" doc:"Chinese name 证照名称, 1 to 100 characters"`
	Names       party.Names     `json:"names,omitempty" doc:"its name in other languages, by language tag (BCP 47) other than zh, such as en or bo: at most 20, each 1 to 100 characters. Pages and type metadata show them; what is signed is name"`
	NameEN      string          `json:"name_en,omitempty" doc:"the older way to write names.en, at most 100 characters; not both with different names"`
	Schema      json.RawMessage `json:"schema" doc:"JSON Schema (2020-12) of the face fields 照面信息: an object that names every field and closes itself by additionalProperties: false. title is a part's Chinese name, x-titles those in other languages, x-enum-titles those of an enum's values. A text of several lines, such as 附记, needs x-multiline: true"`
	Holders     []HolderRole    `json:"holders" doc:"the roles of holders 持证主体, 1 to 10"`
	Validity    Validity        `json:"validity" doc:"how long licenses are valid"`
	Numbers     NumberPolicy    `json:"number_policy" doc:"unique: no two licenses of an authority have the same number; shared: originals and duplicates 正本/副本 may" enum:"unique,shared"`
	Approval    Approval        `json:"approval" doc:"one_step: the issuing client alone decides; two_step, two different officers, is refused until somebody can approve" enum:"one_step,two_step"`
	Authorities []party.USCC    `json:"authorities" doc:"unified social credit codes of the departments that may issue and change licenses, 1 to 1000; what the newest published version says holds for all licenses of the type"`
	Coverage    []party.USCC    `json:"coverage,omitempty" doc:"those of the authorities whose licenses of the type are all here; unless it is all of them, a license that isn't found counts as not collected 未归集 instead of missing"`
	Sensitive   []string        `json:"sensitive,omitempty" doc:"fields that need a reason of their own before they are released"`
	Layout      json.RawMessage `json:"layout,omitempty" doc:"how the license looks: an object of at most 64 KiB; color is jade, sky, seal, amber, plum, slate or rose"`
}

// NamesBeside returns the type's names in other languages than Chinese.
func (d *Definition) NamesBeside() party.Names {
	if d.NameEN == "" || d.Names["en"] != "" {
		return d.Names
	}
	return d.Names.Beside(party.Names{"en": d.NameEN})
}

// Type is one version of a catalog entry 证照类型.
type Type struct {
	Code    credential.TypeCode `json:"code" doc:"证照类型代码 (GB/T 36904): the unified social credit code of the body that defines the type, and three digits"`
	Version int                 `json:"version" doc:"of the definition, from 1"`
	State   entry.State         `json:"state" doc:"licenses are issued under the published version alone" enum:"draft,published,retired"`
	Definition
	Owner       string    `json:"owner" doc:"id of the participant that defined the type, which alone may change it"`
	CreatedAt   time.Time `json:"created_at" doc:"when this version was first written"`
	PublishedAt time.Time `json:"published_at,omitzero" doc:"when it was published"`
	RetiredAt   time.Time `json:"retired_at,omitzero" doc:"when it was retired"`
	Revision    int64     `json:"revision" doc:"counts changes of this version, from 1"`
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

// Takes reports whether such a holder may have a code of a type.
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
