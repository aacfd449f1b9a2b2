package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"unicode/utf16"

	"yizheng.internal/license/schema"

	"github.com/go-json-experiment/json"

	"yizheng.internal/license"
	"yizheng.internal/signing/strictjson"
)

// The catalog has two kinds of entries, types and service items, with one life:
// drafts are put, published and retired by their owner.

// maxDefinition is the largest definition of an entry, in bytes: as over HTTP.
const maxDefinition = 1 << 20

// entryOwner is what changes of an entry need.
type entryOwner struct {
	settings
	Participant string `required:"" help:"The id or code of the participant that defines it; that one alone may change it." placeholder:"ID"`
}

// change opens the installation, does something as the owner, and prints what
// the entry is then.
func (o *entryOwner) change(p *process, do func(context.Context, *license.Registry, license.Actor) (entryIs, error)) error {
	in, err := o.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	n, err := in.participant(p.ctx, o.Participant)
	if err != nil {
		return err
	}
	is, err := do(p.ctx, in.registry, license.Actor{Client: in.operator, Participant: n.ID, USCC: string(n.USCC)})
	if err != nil {
		return err
	}
	p.print("catalog.is", word{"kind", is.kind}, is.code, is.version, is.state)
	return nil
}

// entryIs says what became of an entry.
type entryIs struct {
	kind, code string
	version    int
	state      word
}

// readDefinition reads a definition as strictly as the API does.
func readDefinition[D any](p *process, path, kind string) (d D, err error) {
	text, err := readInput(p, path, maxDefinition)
	if err != nil {
		return d, err
	}
	if err := strictjson.Decode(text, &d); err != nil {
		if e, ok := errors.AsType[*json.SemanticError](err); ok {
			return d, usage("catalog.misfit", path, cmp.Or(schema.PrintablePointer(string(e.JSONPointer)), "/"), word{"kind", kind})
		}
		return d, usage("catalog.no_json", path, err)
	}
	return d, nil
}

// readInput reads a file, or standard input for "-", of at most max bytes.
func readInput(p *process, path string, max int64) ([]byte, error) {
	in := p.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usage("input.unreadable", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, max+1))
	if err != nil {
		return nil, usage("input.reading", path, err)
	}
	if int64(len(text)) > max {
		return nil, usage("input.large", path, max)
	}
	return withoutMark(text), nil
}

// withoutMark takes away the byte order mark that editors on Windows write before
// UTF-8, and turns their UTF-16 into UTF-8.
func withoutMark(text []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return text[3:]
	case bytes.HasPrefix(text, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(text, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return text
	}
	units := make([]uint16, 0, len(text)/2)
	for text = text[2:]; len(text) >= 2; text = text[2:] {
		units = append(units, order.Uint16(text))
	}
	return []byte(string(utf16.Decode(units)))
}
