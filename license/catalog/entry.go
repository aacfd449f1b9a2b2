package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"yizheng.internal/signing/journal"
)

// State is the state of a version of an entry: draft → published → retired.
type State string

const (
	Draft     State = "draft"
	Published State = "published"
	Retired   State = "retired"
)

// Kind names a kind of entries, as authenticators, registers and events' tables name their
// records: never change one.
type Kind string

const (
	KindType Kind = "license_types"
	KindItem Kind = "service_items"
)

// Kinds are all kinds of entries. Each has a definition here, and a table in every driver.
var Kinds = []Kind{KindType, KindItem}

// life is what versions of all kinds of entries have, where a version has it.
type life struct {
	version                     *int
	state                       *State
	owner                       *string
	created, published, retired *time.Time
	revision                    *int64
}

// kind is the definition of a kind of entries: all that sets it apart from the others. C is
// the code of an entry, D what a client says of one, and V a version of it.
type kind[C ~string, D, V any] struct {
	of     Kind
	called string // in events and errors
	// fresh is how long the newest versions of an entry serve before they are read again:
	// what another node did holds here after that at the latest. 0: they are read each time.
	fresh                      time.Duration
	put, publish, retire, read journal.Action

	valid func(C) bool  // reports whether a code has the form of one
	code  func(C) error // refuses to write an entry of a code
	// check returns a *refusal.Error that names everything wrong with a definition.
	check func(context.Context, *D) error
	// publishable refuses to publish what may be put; nil: whatever may be put can be published.
	publishable func(*D) error
	draft       func(C, D) V
	definition  func(*V) *D
	life        func(*V) life

	// Refusals: there is no such entry; it is another's; it has no draft, no published
	// version, or as many versions as there may be.
	unknown, notOwner, notDraft, notPublished, manyVersions func() error
}

// open returns the version that a record has.
func (k *kind[C, D, V]) open(rec Record) (*V, error) {
	v := new(V)
	if err := json.Unmarshal(rec.Body, v); err != nil {
		return nil, fmt.Errorf("opening %s %s version %d: %w", k.called, rec.Code, rec.Version, err)
	}
	l := k.life(v)
	*l.state, *l.revision = rec.State, rec.Revision
	return v, nil
}

func (k *kind[C, D, V]) openAll(records []Record) ([]V, error) {
	var vs []V
	for _, rec := range records {
		v, err := k.open(rec)
		if err != nil {
			return nil, err
		}
		vs = append(vs, *v)
	}
	return vs, nil
}

// record returns the record of a version, to be stored.
func (k *kind[C, D, V]) record(code C, v *V) (Record, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return Record{}, fmt.Errorf("encoding %s %s: %w", k.called, code, err)
	}
	l := k.life(v)
	return Record{
		Code: string(code), Version: *l.version, State: *l.state, Revision: *l.revision,
		Owner: *l.owner, Body: body, Updated: time.Now(),
	}, nil
}
