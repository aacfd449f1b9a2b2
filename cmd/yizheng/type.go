package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/license"
)

type typeCmd struct {
	List    typeListCmd    `cmd:"" help:"List the newest version of each type."`
	Show    typeShowCmd    `cmd:"" help:"Print a type as JSON."`
	Put     typePutCmd     `cmd:"" help:"Write a type's draft from a JSON file: the body of PUT /v1/license-types/{code}."`
	Publish typePublishCmd `cmd:"" help:"Publish the draft: licenses are issued under it from now on."`
	Retire  typeRetireCmd  `cmd:"" help:"End issuing under a type."`
}

// maxDefinition is the largest definition of a type, in bytes: as over HTTP.
const maxDefinition = 1 << 20

type typeListCmd struct {
	settings
}

// Run lists the types.
func (c *typeListCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	t := newTable(p.out, "CODE", "VERSION", "STATE", "OWNER", "NAME")
	for after := license.TypeCode(""); ; {
		types, err := in.registry.Types(p.ctx, after, page)
		if err != nil {
			return err
		}
		for _, ty := range types {
			t.row(ty.Code, ty.Version, ty.State, ty.Owner, printable(ty.Name))
			after = ty.Code
		}
		if len(types) < page {
			return t.Flush()
		}
	}
}

type typeShowCmd struct {
	settings
	Code    string `arg:"" help:"The type's code, 21 characters."`
	Version int    `help:"Version; without it the published one, else the newest."`
}

// Run prints the type.
func (c *typeShowCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	t, err := in.registry.Type(p.ctx, license.TypeCode(c.Code), c.Version)
	if err != nil {
		return err
	}
	text, err := json.Marshal(t, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	_, err = p.out.Write(append(text, '\n'))
	return err
}

// owned is what changes of a type need.
type owned struct {
	settings
	Code        string `arg:"" help:"The type's code, 21 characters."`
	Participant string `required:"" help:"The id or code of the participant that defines the type; it alone may change it." placeholder:"ID"`
}

// change opens the installation and does something as the owner.
func (c *owned) change(p *process, do func(context.Context, *license.Registry, license.Actor, license.TypeCode) (license.Type, error)) error {
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
	t, err := do(p.ctx, in.registry, actor, license.TypeCode(c.Code))
	if err != nil {
		return explained(err)
	}
	fmt.Fprintf(p.out, "type %s version %d is %s\n", t.Code, t.Version, t.State)
	return nil
}

type typePutCmd struct {
	owned
	File string `arg:"" help:"JSON file with the definition, or - for standard input."`
}

// Run writes the draft.
func (c *typePutCmd) Run(p *process) error {
	d, err := readDefinition(p, c.File)
	if err != nil {
		return err
	}
	return c.change(p, func(ctx context.Context, r *license.Registry, a license.Actor, code license.TypeCode) (license.Type, error) {
		t, _, err := r.PutType(ctx, a, code, d)
		return t, err
	})
}

// readDefinition reads a definition as strictly as the API does.
func readDefinition(p *process, path string) (d license.Definition, err error) {
	text, err := readInput(p, path, maxDefinition)
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(text, &d, json.RejectUnknownMembers(true)); err != nil {
		if e, ok := errors.AsType[*json.SemanticError](err); ok {
			return d, usage("%s: %s does not fit the definition of a type", path, orWhole(license.PrintablePointer(string(e.JSONPointer))))
		}
		return d, usage("%s: not strict JSON: %w", path, err)
	}
	return d, nil
}

func orWhole(pointer string) string {
	if pointer == "" {
		return "the whole"
	}
	return pointer
}

type typePublishCmd struct{ owned }

// Run publishes the draft.
func (c *typePublishCmd) Run(p *process) error {
	return c.change(p, func(ctx context.Context, r *license.Registry, a license.Actor, code license.TypeCode) (license.Type, error) {
		return r.PublishType(ctx, a, code)
	})
}

type typeRetireCmd struct{ owned }

// Run retires the type.
func (c *typeRetireCmd) Run(p *process) error {
	return c.change(p, func(ctx context.Context, r *license.Registry, a license.Actor, code license.TypeCode) (license.Type, error) {
		return r.RetireType(ctx, a, code)
	})
}

// readInput reads a file, or standard input for "-", of at most max bytes.
func readInput(p *process, path string, max int64) ([]byte, error) {
	in := p.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usage("%w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, max+1))
	if err != nil {
		return nil, usage("reading %s: %w", path, err)
	}
	if int64(len(text)) > max {
		return nil, usage("%s is larger than %d bytes", path, max)
	}
	return text, nil
}
