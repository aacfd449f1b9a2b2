package license

import (
	"encoding/json"
	"time"

	"yizheng.internal/license/party"
)

// TypeState is a type version's state: draft → published → retired.
type TypeState string

const (
	TypeDraft     TypeState = "draft"
	TypePublished TypeState = "published"
	TypeRetired   TypeState = "retired"
)

// HolderRole says which holders a license of a type has.
type HolderRole struct {
	Role      string           `json:"role" doc:"name of the role in lower-case letters, such as holder or spouse"`
	Name      string           `json:"name" doc:"the role's Chinese name, such as 持证人"`
	Min       int              `json:"min" doc:"how many holders of this role at least"`
	Max       int              `json:"max" doc:"how many at the most; 1 to 100"`
	CodeTypes []party.CodeType `json:"code_types" doc:"the code types (GB/T 36903 annex A) that such a holder may have"`
}

// Validity says how long licenses of a type are valid.
type Validity struct {
	LongTerm  bool `json:"long_term" doc:"valid_until may be left out (长期)"`
	MaxMonths int  `json:"max_months,omitempty" doc:"the longest period, in months; 0 for no limit"`
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
	Name        string          `json:"name"`
	NameEN      string          `json:"name_en,omitempty"`
	Schema      json.RawMessage `json:"schema"`
	Holders     []HolderRole    `json:"holders"`
	Validity    Validity        `json:"validity"`
	Numbers     NumberPolicy    `json:"number_policy"`
	Approval    Approval        `json:"approval"`
	Authorities []party.USCC    `json:"authorities"`
	Sensitive   []string        `json:"sensitive,omitempty"`
	Layout      json.RawMessage `json:"layout,omitempty"`
}

// Type is one version of a catalog entry 证照类型.
type Type struct {
	Code    TypeCode  `json:"code"`
	Version int       `json:"version"`
	State   TypeState `json:"state"`
	Definition
	Owner       string    `json:"owner"`
	CreatedAt   time.Time `json:"created_at"`
	PublishedAt time.Time `json:"published_at,omitzero"`
	RetiredAt   time.Time `json:"retired_at,omitzero"`
	Revision    int64     `json:"revision"`
}
