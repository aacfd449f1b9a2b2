package catalog

import (
	"regexp"
	"time"

	"yizheng.internal/license/catalog/entry"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
)

// ItemCode names a service item 事项: 1 to 64 letters, digits, - and _, which begin
// with the unified social credit code of the body that defines it. (Items of earlier
// versions may begin with anything.)
type ItemCode string

// Relation says whose license a material asks for.
type Relation string

const (
	RelationApplicant           Relation = "applicant" // who applies: a person, or the organization acted for
	RelationSpouse              Relation = "spouse"
	RelationChild               Relation = "child"                // under 14, of whom the applicant is the guardian
	RelationLegalRepresentative Relation = "legal_representative" // 法定代表人 of the organization acted for
)

// Parts of a license that an item may ask for. The part of a field is fields/ followed by the field's name. An
// item needn't ask for what a credential always discloses.
const (
	PartIdentifier = "identifier"
	PartNumber     = "number"
	PartAreaCode   = "area_code"
	PartHolders    = "holders" // all of them: names, codes and roles
	PartField      = "fields/"
)

// Alternative is a license type that can serve as a material, and the parts of
// it that are needed.
type Alternative struct {
	TypeCode credential.TypeCode `json:"type_code"`
	Role     string              `json:"role,omitempty"` // in which the party must hold the license; empty: any
	Fields   []string            `json:"fields"`         // the parts that are needed
}

// Material 材料 is one thing that an item demands.
type Material struct {
	ID           string            `json:"id"`                // within the item
	Name         string            `json:"name"`              // for holders to read
	Names        party.Names       `json:"names,omitempty"`   // in other languages
	Relation     Relation          `json:"relation"`          // whose license it is
	Required     bool              `json:"required"`          // the item can't be had without it
	Alternatives []Alternative     `json:"alternatives"`      // any of these can serve
	Reasons      map[string]string `json:"reasons,omitempty"` // why a sensitive part is needed, by part
	// ReasonsIn are the reasons in other languages, by part.
	ReasonsIn map[string]party.Names `json:"reasons_in,omitempty"`
	// LegalBasis is the article of law by which the item gets, without their agreement, what concerns somebody else
	// than the applicant: the spouse's licenses, or the numbers of those who hold a license together with the
	// applicant. Empty: there is none, and they must agree.
	LegalBasis   string      `json:"legal_basis,omitempty"`
	LegalBasisIn party.Names `json:"legal_basis_in,omitempty"` // the same in other languages
}

// ItemDefinition is what a catalog client says of a service item.
type ItemDefinition struct {
	Name      string      `json:"name"`                // Chinese
	Names     party.Names `json:"names,omitempty"`     // in other languages
	Purpose   string      `json:"purpose"`             // what the holder reads as the purpose
	Purposes  party.Names `json:"purposes,omitempty"`  // the same in other languages
	AreaCode  string      `json:"area_code,omitempty"` // where it is offered
	Materials []Material  `json:"materials"`           // what it demands
}

// ServiceItem is one version of a service item.
type ServiceItem struct {
	Code    ItemCode    `json:"code"`
	Version int         `json:"version"` // of the definition, from 1
	State   entry.State `json:"state"`
	ItemDefinition
	Owner       string    `json:"owner"`      // id of the participant that defined it
	CreatedAt   time.Time `json:"created_at"` // when this version was first written
	PublishedAt time.Time `json:"published_at,omitzero"`
	RetiredAt   time.Time `json:"retired_at,omitzero"`
	Revision    int64     `json:"revision"` // counts changes of this version, from 1
}

var (
	itemCode   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	materialID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
)

// ValidMaterial reports whether a material's id has the form of one.
func ValidMaterial(id string) bool { return materialID.MatchString(id) }

// Valid reports whether the code has the form of one.
func (c ItemCode) Valid() bool { return itemCode.MatchString(string(c)) }

// Material returns the item's material of that id, or nil.
func (d *ItemDefinition) Material(id string) *Material {
	for i := range d.Materials {
		if d.Materials[i].ID == id {
			return &d.Materials[i]
		}
	}
	return nil
}

// Alternative returns the material's alternative of that type, or nil.
func (m *Material) Alternative(t credential.TypeCode) *Alternative {
	for i := range m.Alternatives {
		if m.Alternatives[i].TypeCode == t {
			return &m.Alternatives[i]
		}
	}
	return nil
}
