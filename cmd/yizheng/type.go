package main

import (
	"context"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/library"
)

type typeCmd struct {
	List    typeListCmd    `cmd:"" help:"List the newest version of each type."`
	Show    typeShowCmd    `cmd:"" help:"Print a type as JSON."`
	Put     typePutCmd     `cmd:"" help:"Write a type's draft from a JSON file: the body of PUT /v1/license-types/{code}."`
	Publish typePublishCmd `cmd:"" help:"Publish the draft: licenses are issued under it from now on."`
	Retire  typeRetireCmd  `cmd:"" help:"End issuing under a type."`
}

type typeListCmd struct {
	install.Settings
	JSON bool `name:"json" help:"Print JSON, an object a line."`
}

// entryInfo is what a list shows of a type or an item.
type entryInfo struct {
	Code      string `json:"code"`
	Name      string `json:"name"`
	Version   int    `json:"version"`
	State     string `json:"state"`
	Owner     string `json:"owner"` // participant id
	OwnerUSCC string `json:"owner_uscc,omitempty"`
	OwnerName string `json:"owner_name,omitempty"`
	Materials int    `json:"materials,omitzero"` // of an item
}

// Run lists the types.
func (c *typeListCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	names := in.Owners()
	t := p.Listing(c.JSON, "code", "version", "state", "owner", "owner_name", "name")
	return command.Pages(t, func(last catalog.Type) ([]catalog.Type, error) {
		return in.Library.Catalog().Types().List(p.Ctx, last.Code, command.PageSize)
	}, func(ty catalog.Type) error {
		n, err := names.Of(p.Ctx, ty.Owner)
		if err != nil {
			return err
		}
		return t.Record(entryInfo{string(ty.Code), ty.Name, ty.Version, string(ty.State), ty.Owner, string(n.USCC), n.Name, 0},
			ty.Code, ty.Version, texts.State(ty.State), n.USCC, command.Printable(n.Name), command.Printable(ty.Name))
	})
}

type typeShowCmd struct {
	install.Settings
	Code    credential.TypeCode `arg:"" help:"The type's code, 21 characters."`
	Version int                 `help:"Version; without it the published one, else the newest."`
}

// Run prints the type.
func (c *typeShowCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	t, err := in.Library.Catalog().Types().Version(p.Ctx, c.Code, c.Version)
	if err != nil {
		return err
	}
	return command.PrintPretty(p.Out, t)
}

// ownedType is what changes of a type need.
type ownedType struct {
	entryOwner
	Code credential.TypeCode `arg:"" help:"The type's code, 21 characters."`
}

// typeIs says what became of a type.
func typeIs(t catalog.Type, err error) (entryIs, error) {
	return entryIs{"type", string(t.Code), t.Version, texts.State(t.State)}, err
}

type typePutCmd struct {
	ownedType
	File string `arg:"" help:"JSON file with the definition, or - for standard input."`
}

// Run writes the draft.
func (c *typePutCmd) Run(p *command.Process) error {
	d, err := readDefinition[catalog.Definition](p, c.File, "type")
	if err != nil {
		return err
	}
	return c.change(p, func(ctx context.Context, r *library.Library, a audit.Actor) (entryIs, error) {
		t, _, err := r.Catalog().Types().Put(ctx, a, c.Code, d)
		return typeIs(t, err)
	})
}

type typePublishCmd struct{ ownedType }

// Run publishes the draft.
func (c *typePublishCmd) Run(p *command.Process) error {
	return c.change(p, func(ctx context.Context, r *library.Library, a audit.Actor) (entryIs, error) {
		return typeIs(r.Catalog().Types().Publish(ctx, a, c.Code))
	})
}

type typeRetireCmd struct{ ownedType }

// Run retires the type.
func (c *typeRetireCmd) Run(p *command.Process) error {
	return c.change(p, func(ctx context.Context, r *library.Library, a audit.Actor) (entryIs, error) {
		return typeIs(r.Catalog().Types().Retire(ctx, a, c.Code))
	})
}
