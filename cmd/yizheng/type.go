package main

import (
	"context"

	"yizheng.internal/license"
)

type typeCmd struct {
	List    typeListCmd    `cmd:"" help:"List the newest version of each type."`
	Show    typeShowCmd    `cmd:"" help:"Print a type as JSON."`
	Put     typePutCmd     `cmd:"" help:"Write a type's draft from a JSON file: the body of PUT /v1/license-types/{code}."`
	Publish typePublishCmd `cmd:"" help:"Publish the draft: licenses are issued under it from now on."`
	Retire  typeRetireCmd  `cmd:"" help:"End issuing under a type."`
}

type typeListCmd struct {
	settings
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
func (c *typeListCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	names := in.owners()
	t := p.listing(c.JSON, "code", "version", "state", "owner", "owner_name", "name")
	return pages(t, func(last license.Type) ([]license.Type, error) {
		return in.registry.Types(p.ctx, last.Code, page)
	}, func(ty license.Type) error {
		n, err := names.of(p.ctx, ty.Owner)
		if err != nil {
			return err
		}
		return t.record(entryInfo{string(ty.Code), ty.Name, ty.Version, string(ty.State), ty.Owner, string(n.USCC), n.Name, 0},
			ty.Code, ty.Version, state(ty.State), n.USCC, printable(n.Name), printable(ty.Name))
	})
}

type typeShowCmd struct {
	settings
	Code    license.TypeCode `arg:"" help:"The type's code, 21 characters."`
	Version int              `help:"Version; without it the published one, else the newest."`
}

// Run prints the type.
func (c *typeShowCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	t, err := in.registry.Type(p.ctx, c.Code, c.Version)
	if err != nil {
		return err
	}
	return printPretty(p.out, t)
}

// ownedType is what changes of a type need.
type ownedType struct {
	entryOwner
	Code license.TypeCode `arg:"" help:"The type's code, 21 characters."`
}

// typeIs says what became of a type.
func typeIs(t license.Type, err error) (entryIs, error) {
	return entryIs{"type", string(t.Code), t.Version, state(t.State)}, err
}

type typePutCmd struct {
	ownedType
	File string `arg:"" help:"JSON file with the definition, or - for standard input."`
}

// Run writes the draft.
func (c *typePutCmd) Run(p *process) error {
	d, err := readDefinition[license.Definition](p, c.File, "type")
	if err != nil {
		return err
	}
	return c.change(p, func(ctx context.Context, r *license.Registry, a license.Actor) (entryIs, error) {
		t, _, err := r.PutType(ctx, a, c.Code, d)
		return typeIs(t, err)
	})
}

type typePublishCmd struct{ ownedType }

// Run publishes the draft.
func (c *typePublishCmd) Run(p *process) error {
	return c.change(p, func(ctx context.Context, r *license.Registry, a license.Actor) (entryIs, error) {
		return typeIs(r.PublishType(ctx, a, c.Code))
	})
}

type typeRetireCmd struct{ ownedType }

// Run retires the type.
func (c *typeRetireCmd) Run(p *process) error {
	return c.change(p, func(ctx context.Context, r *license.Registry, a license.Actor) (entryIs, error) {
		return typeIs(r.RetireType(ctx, a, c.Code))
	})
}
