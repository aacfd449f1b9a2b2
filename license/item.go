package license

import (
	"context"
	"time"
)

// ItemCode names a service item 事项: 1 to 64 letters, digits, - and _.
type ItemCode string

// ItemState is a service item version's state: draft → published → retired.
type ItemState string

const (
	ItemDraft     ItemState = "draft"
	ItemPublished ItemState = "published"
	ItemRetired   ItemState = "retired"
)

// Relation says whose license a material asks for.
type Relation string

const (
	RelationApplicant           Relation = "applicant" // who applies: a person, or the organization acted for
	RelationSpouse              Relation = "spouse"
	RelationChild               Relation = "child"
	RelationLegalRepresentative Relation = "legal_representative" // 法定代表人 of the organization acted for
)

// Alternative is a license type that can serve as a material, and the parts of
// it that are needed: identifier, number, area_code, holders, or fields/NAME.
type Alternative struct {
	TypeCode TypeCode `json:"type_code"`
	Fields   []string `json:"fields"`
}

// Material 材料 is one thing that an item demands.
type Material struct {
	ID           string            `json:"id" doc:"within the item: lower-case letters, digits and -"`
	Name         string            `json:"name" doc:"for holders to read, such as 经营者身份证明"`
	Relation     Relation          `json:"relation"`
	Required     bool              `json:"required"`
	Alternatives []Alternative     `json:"alternatives"`
	Reasons      map[string]string `json:"reasons,omitempty" doc:"why a sensitive part is needed, by part; without a reason it may not be asked for"`
}

// ItemDefinition is what a catalog client says of a service item.
type ItemDefinition struct {
	Name      string     `json:"name"`
	Purpose   string     `json:"purpose" doc:"what the holder reads as the purpose when asked for consent"`
	AreaCode  string     `json:"area_code,omitempty"`
	Materials []Material `json:"materials"`
}

// ServiceItem is one version of a service item.
type ServiceItem struct {
	Code    ItemCode  `json:"code"`
	Version int       `json:"version"`
	State   ItemState `json:"state"`
	ItemDefinition
	Owner       string    `json:"owner"` // participant id
	CreatedAt   time.Time `json:"created_at"`
	PublishedAt time.Time `json:"published_at,omitzero"`
	Revision    int64     `json:"revision"`
}

// ItemRecord is a version of an item as a store keeps it. Nothing in it is personal.
type ItemRecord struct {
	Code     ItemCode
	Version  int
	State    ItemState
	Revision int64 // counts updates, from 1; 0 for a new record
	Owner    string
	Body     []byte // ServiceItem as JSON
	Updated  time.Time
}

// ItemStore keeps service items. Every driver passes storagetest.Items.
type ItemStore interface {
	// SaveItems is to items what TypeStore.SaveTypes is to types.
	SaveItems(ctx context.Context, e EventRecord, is ...ItemRecord) error
	// LoadItems returns all versions of an item, oldest first; none is no error.
	LoadItems(ctx context.Context, code ItemCode) ([]ItemRecord, error)
	// ListItems returns, for up to limit codes greater than after, in order of
	// code, the newest version of each.
	ListItems(ctx context.Context, after ItemCode, limit int) ([]ItemRecord, error)
}
