package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/license"
)

type itemCmd struct {
	List    itemListCmd    `cmd:"" help:"List the newest version of each service item."`
	Show    itemShowCmd    `cmd:"" help:"Print a service item as JSON."`
	Put     itemPutCmd     `cmd:"" help:"Write an item's draft from a JSON file: the body of PUT /v1/service-items/{code}."`
	Publish itemPublishCmd `cmd:"" help:"Publish the draft: licenses are asked for by it from now on."`
	Retire  itemRetireCmd  `cmd:"" help:"End asking for licenses by an item. What was agreed to stays."`
}

type itemListCmd struct {
	settings
}

// Run lists the items.
func (c *itemListCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	t := newTable(p.out, "CODE", "VERSION", "STATE", "OWNER", "MATERIALS", "NAME")
	for after := license.ItemCode(""); ; {
		items, err := in.registry.Items(p.ctx, after, page)
		if err != nil {
			return err
		}
		for _, i := range items {
			t.row(i.Code, i.Version, i.State, i.Owner, len(i.Materials), printable(i.Name))
			after = i.Code
		}
		if len(items) < page {
			return t.Flush()
		}
	}
}

type itemShowCmd struct {
	settings
	Code    string `arg:"" help:"The item's code."`
	Version int    `help:"Version; without it the published one, else the newest."`
}

// Run prints the item.
func (c *itemShowCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	i, err := in.registry.Item(p.ctx, license.ItemCode(c.Code), c.Version)
	if err != nil {
		return err
	}
	text, err := json.Marshal(i, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	_, err = p.out.Write(append(text, '\n'))
	return err
}

// ownedItem is what changes of an item need.
type ownedItem struct {
	settings
	Code        string `arg:"" help:"The item's code: 1 to 64 letters, digits, - and _."`
	Participant string `required:"" help:"The id or code of the participant that defines the item; it alone may change it." placeholder:"ID"`
}

// change opens the installation and does something as the owner.
func (c *ownedItem) change(p *process, do func(context.Context, *license.Registry, license.Actor, license.ItemCode) (license.ServiceItem, error)) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	owner, err := in.participant(p.ctx, c.Participant)
	if err != nil {
		return err
	}
	actor := license.Actor{Client: operator, Participant: owner.ID, USCC: string(owner.USCC)}
	i, err := do(p.ctx, in.registry, actor, license.ItemCode(c.Code))
	if err != nil {
		return explained(err)
	}
	fmt.Fprintf(p.out, "item %s version %d is %s\n", i.Code, i.Version, i.State)
	return nil
}

type itemPutCmd struct {
	ownedItem
	File string `arg:"" help:"JSON file with the definition, or - for standard input."`
}

// Run writes the draft.
func (c *itemPutCmd) Run(p *process) error {
	text, err := readInput(p, c.File, maxDefinition)
	if err != nil {
		return err
	}
	var d license.ItemDefinition
	if err := json.Unmarshal(text, &d, json.RejectUnknownMembers(true)); err != nil {
		if e, ok := errors.AsType[*json.SemanticError](err); ok {
			return usage("%s: %s does not fit the definition of a service item", c.File, orWhole(license.PrintablePointer(string(e.JSONPointer))))
		}
		return usage("%s: not strict JSON: %w", c.File, err)
	}
	return c.change(p, func(ctx context.Context, r *license.Registry, a license.Actor, code license.ItemCode) (license.ServiceItem, error) {
		i, _, err := r.PutItem(ctx, a, code, d)
		return i, err
	})
}

type itemPublishCmd struct{ ownedItem }

// Run publishes the draft.
func (c *itemPublishCmd) Run(p *process) error {
	return c.change(p, func(ctx context.Context, r *license.Registry, a license.Actor, code license.ItemCode) (license.ServiceItem, error) {
		return r.PublishItem(ctx, a, code)
	})
}

type itemRetireCmd struct{ ownedItem }

// Run retires the item.
func (c *itemRetireCmd) Run(p *process) error {
	return c.change(p, func(ctx context.Context, r *license.Registry, a license.Actor, code license.ItemCode) (license.ServiceItem, error) {
		return r.RetireItem(ctx, a, code)
	})
}
