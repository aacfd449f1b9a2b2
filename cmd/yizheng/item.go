package main

import (
	"context"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/library"
)

type itemCmd struct {
	List    itemListCmd    `cmd:"" help:"List the newest version of each service item."`
	Show    itemShowCmd    `cmd:"" help:"Print a service item as JSON."`
	Put     itemPutCmd     `cmd:"" help:"Write an item's draft from a JSON file: the body of PUT /v1/service-items/{code}."`
	Publish itemPublishCmd `cmd:"" help:"Publish the draft: licenses are asked for by it from now on."`
	Retire  itemRetireCmd  `cmd:"" help:"End asking for licenses by an item. What was agreed to stays."`
}

type itemListCmd struct {
	install.Settings
	JSON bool `name:"json" help:"Print JSON, an object a line."`
}

// Run lists the items.
func (c *itemListCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	names := in.Owners()
	t := p.Listing(c.JSON, "code", "version", "state", "owner", "owner_name", "materials", "name")
	return command.Pages(t, func(last catalog.ServiceItem) ([]catalog.ServiceItem, error) {
		return in.Library.Catalog().Items().List(p.Ctx, last.Code, command.PageSize)
	}, func(i catalog.ServiceItem) error {
		n, err := names.Of(p.Ctx, i.Owner)
		if err != nil {
			return err
		}
		return t.Record(entryInfo{string(i.Code), i.Name, i.Version, string(i.State), i.Owner, string(n.USCC), n.Name, len(i.Materials)},
			i.Code, i.Version, texts.State(i.State), n.USCC, command.Printable(n.Name), len(i.Materials), command.Printable(i.Name))
	})
}

type itemShowCmd struct {
	install.Settings
	Code    catalog.ItemCode `arg:"" help:"The item's code."`
	Version int              `help:"Version; without it the published one, else the newest."`
}

// Run prints the item.
func (c *itemShowCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	i, err := in.Library.Catalog().Items().Version(p.Ctx, c.Code, c.Version)
	if err != nil {
		return err
	}
	return command.PrintPretty(p.Out, i)
}

// ownedItem is what changes of an item need.
type ownedItem struct {
	entryOwner
	Code catalog.ItemCode `arg:"" help:"The item's code: 1 to 64 letters, digits, - and _."`
}

// itemIs says what became of an item.
func itemIs(i catalog.ServiceItem, err error) (entryIs, error) {
	return entryIs{"item", string(i.Code), i.Version, texts.State(i.State)}, err
}

type itemPutCmd struct {
	ownedItem
	File string `arg:"" help:"JSON file with the definition, or - for standard input."`
}

// Run writes the draft.
func (c *itemPutCmd) Run(p *command.Process) error {
	d, err := readDefinition[catalog.ItemDefinition](p, c.File, "item")
	if err != nil {
		return err
	}
	return c.change(p, func(ctx context.Context, r *library.Library, a audit.Actor) (entryIs, error) {
		i, _, err := r.Catalog().Items().Put(ctx, a, c.Code, d)
		return itemIs(i, err)
	})
}

type itemPublishCmd struct{ ownedItem }

// Run publishes the draft.
func (c *itemPublishCmd) Run(p *command.Process) error {
	return c.change(p, func(ctx context.Context, r *library.Library, a audit.Actor) (entryIs, error) {
		return itemIs(r.Catalog().Items().Publish(ctx, a, c.Code))
	})
}

type itemRetireCmd struct{ ownedItem }

// Run retires the item.
func (c *itemRetireCmd) Run(p *command.Process) error {
	return c.change(p, func(ctx context.Context, r *library.Library, a audit.Actor) (entryIs, error) {
		return itemIs(r.Catalog().Items().Retire(ctx, a, c.Code))
	})
}
