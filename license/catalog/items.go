package catalog

import (
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// Items are the service items of the catalog.
type Items struct {
	*entry.Entries[ItemCode, ItemDefinition, ServiceItem]
}

func newItems(c entry.Config, types *Types) *Items {
	return &Items{entry.New(itemKind(types), c)}
}

// itemKind returns the definition of service items, which are checked against the types.
func itemKind(types *Types) entry.KindOf[ItemCode, ItemDefinition, ServiceItem] {
	return entry.KindOf[ItemCode, ItemDefinition, ServiceItem]{
		Kind: entry.KindItem, Called: "item",
		Put: journal.ActionItemPut, Publish: journal.ActionItemPublish, Retire: journal.ActionItemRetire, Read: journal.ActionItemRead,
		Valid: ItemCode.Valid, CheckCode: checkItemCode, Check: itemCheck{types}.check,
		Draft:      func(code ItemCode, d ItemDefinition) ServiceItem { return ServiceItem{Code: code, ItemDefinition: d} },
		Definition: func(i *ServiceItem) *ItemDefinition { return &i.ItemDefinition },
		Life: func(i *ServiceItem) entry.Life {
			return entry.Life{
				Version: &i.Version, State: &i.State, Owner: &i.Owner,
				Created: &i.CreatedAt, Published: &i.PublishedAt, Retired: &i.RetiredAt, Revision: &i.Revision,
			}
		},
		Unknown: errItemUnknown, NotOwner: errItemOwner, NotDraft: errItemNotDraft, NotPublished: errItemNotPublished, ManyVersions: errItemVersions,
	}
}

func checkItemCode(code ItemCode) error {
	if !code.Valid() {
		return refusal.Invalid("item_code", "The item code is not 1 to 64 letters, digits, - and _.")
	}
	return nil
}

func errItemUnknown() error {
	return refusal.Missing("item_unknown", "There is no service item with this code.")
}

func errItemOwner() error {
	return refusal.Forbidden("item_owner", "The service item was defined by another participant, which alone may change it.")
}

func errItemNotDraft() error {
	return refusal.Conflict("item_not_draft", "The service item has no draft to publish. PUT one first.")
}

func errItemNotPublished() error {
	return refusal.Conflict("item_not_published", "The service item has no published version to retire.")
}

func errItemVersions() error {
	return refusal.Conflict("versions_limit", "The service item has 1000 versions, as many as there may be: define another item.")
}
