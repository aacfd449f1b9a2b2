package main

import (
	"cmp"
	"context"
	"errors"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/library"
	"yizheng.internal/license/schema"

	"github.com/go-json-experiment/json"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/signing/strictjson"
)

// The catalog has two kinds of entries, types and service items, with one life:
// drafts are put, published and retired by their owner.

// maxDefinition is the largest definition of an entry, in bytes: as over HTTP.
const maxDefinition = 1 << 20

// entryOwner is what changes of an entry need.
type entryOwner struct {
	install.Settings
	Participant string `required:"" help:"The id or code of the participant that defines it; that one alone may change it." placeholder:"ID"`
}

// change opens the installation, does something as the owner, and prints what
// the entry is then.
func (o *entryOwner) change(p *command.Process, do func(context.Context, *library.Library, audit.Actor) (entryIs, error)) error {
	in, err := o.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := in.Participant(p.Ctx, o.Participant)
	if err != nil {
		return err
	}
	is, err := do(p.Ctx, in.Library, audit.Actor{Client: in.Operator, Participant: n.ID, USCC: string(n.USCC)})
	if err != nil {
		return err
	}
	p.Print("catalog.is", texts.WordOf("kind", is.kind), is.code, is.version, is.state)
	return nil
}

// entryIs says what became of an entry.
type entryIs struct {
	kind, code string
	version    int
	state      texts.Word
}

// readDefinition reads a definition as strictly as the API does.
func readDefinition[D any](p *command.Process, path, kind string) (d D, err error) {
	text, err := command.ReadInput(p, path, maxDefinition)
	if err != nil {
		return d, err
	}
	if err := strictjson.Decode(text, &d); err != nil {
		if e, ok := errors.AsType[*json.SemanticError](err); ok {
			return d, texts.Usage("catalog.misfit", path, cmp.Or(schema.PrintablePointer(string(e.JSONPointer)), "/"), texts.WordOf("kind", kind))
		}
		return d, texts.Usage("catalog.no_json", path, err)
	}
	return d, nil
}
