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
	RelationChild               Relation = "child"
	RelationLegalRepresentative Relation = "legal_representative" // 法定代表人 of the organization acted for
)

// Parts of a license that an item may ask for beside its fields, each of which
// is fields/ and its name. What a credential always discloses needs no asking.
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
	TypeCode credential.TypeCode `json:"type_code" doc:"the license type, published"`
	Role     string              `json:"role,omitempty" doc:"the role in which the party must hold the license, such as child on a birth certificate; absent: any"`
	Fields   []string            `json:"fields" doc:"the parts that are needed: identifier, number, area_code, holders, or fields/NAME; 1 to 100"`
}

// Material 材料 is one thing that an item demands.
type Material struct {
	ID           string            `json:"id" doc:"within the item: lower-case letters, digits and -"`
	Name         string            `json:"name" doc:"for holders to read, such as 经营者身份证明"`
	Names        party.Names       `json:"names,omitempty" doc:"its name in other languages, by language tag"`
	Relation     Relation          `json:"relation" doc:"whose license it is; only items that ask for the applicant's can be published yet" enum:"applicant,spouse,child,legal_representative"`
	Required     bool              `json:"required" doc:"the item can't be had without it; by paper it may still come"`
	Alternatives []Alternative     `json:"alternatives" doc:"any of these license types can serve; 1 to 20"`
	Reasons      map[string]string `json:"reasons,omitempty" doc:"why a sensitive part is needed, by part; without a reason it may not be asked for"`
	// ReasonsIn are the reasons in other languages, by part.
	ReasonsIn map[string]party.Names `json:"reasons_in,omitempty" doc:"the reasons in other languages: by part, and then by language tag"`
}

// ItemDefinition is what a catalog client says of a service item.
type ItemDefinition struct {
	Name      string      `json:"name" doc:"the item's name 事项名称, 1 to 200 characters"`
	Names     party.Names `json:"names,omitempty" doc:"its name in other languages, by language tag (BCP 47) other than zh, such as en or bo: at most 20, each 1 to 200 characters"`
	Purpose   string      `json:"purpose" doc:"what the holder reads as the purpose when asked for consent, 1 to 200 characters"`
	Purposes  party.Names `json:"purposes,omitempty" doc:"the purpose in other languages, by language tag"`
	AreaCode  string      `json:"area_code,omitempty" doc:"where it is offered: 6, 9 or 12 digits (GB/T 2260, GB/T 10114)"`
	Materials []Material  `json:"materials" doc:"what it demands, 1 to 50"`
}

// ServiceItem is one version of a service item.
type ServiceItem struct {
	Code    ItemCode    `json:"code" doc:"the item's code 事项编码, which begins with the unified social credit code of the body that defines it"`
	Version int         `json:"version" doc:"of the definition, from 1"`
	State   entry.State `json:"state" doc:"licenses are asked for by the published version alone" enum:"draft,published,retired"`
	ItemDefinition
	Owner       string    `json:"owner" doc:"id of the participant that defined the item, which alone may change it"`
	CreatedAt   time.Time `json:"created_at" doc:"when this version was first written"`
	PublishedAt time.Time `json:"published_at,omitzero" doc:"when it was published"`
	RetiredAt   time.Time `json:"retired_at,omitzero" doc:"when it was retired"`
	Revision    int64     `json:"revision" doc:"counts changes of this version, from 1"`
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
