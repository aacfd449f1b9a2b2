package catalog

import (
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// Items are the service items of the catalog.
type Items struct {
	*Entries[ItemCode, ItemDefinition, ServiceItem]
}

func newItems(s EntryStore, types *Types, d *Delegations, j Journal) *Items {
	return &Items{newEntries(itemKind(types), s, d, j)}
}

// itemKind is the definition of service items, which name types.
func itemKind(types *Types) kind[ItemCode, ItemDefinition, ServiceItem] {
	return kind[ItemCode, ItemDefinition, ServiceItem]{
		of: KindItem, called: "item",
		put: journal.ActionItemPut, publish: journal.ActionItemPublish, retire: journal.ActionItemRetire, read: journal.ActionItemRead,
		valid: ItemCode.Valid, code: checkItemCode, check: itemCheck{types}.check, publishable: (*ItemDefinition).checkRelations,
		draft:      func(code ItemCode, d ItemDefinition) ServiceItem { return ServiceItem{Code: code, ItemDefinition: d} },
		definition: func(i *ServiceItem) *ItemDefinition { return &i.ItemDefinition },
		life: func(i *ServiceItem) life {
			return life{&i.Version, &i.State, &i.Owner, &i.CreatedAt, &i.PublishedAt, &i.RetiredAt, &i.Revision}
		},
		unknown: errItemUnknown, notOwner: errItemOwner, notDraft: errItemNotDraft, notPublished: errItemNotPublished, manyVersions: errItemVersions,
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
