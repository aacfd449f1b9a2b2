// Package entry keeps the life cycle that all entries of the catalog share: they are drafted, published and
// retired, one version at a time, by those who may define them. A [KindOf] says what sets one kind of entries
// apart from the others; package catalog has one for each kind.
package entry

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
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

// Kind names a kind of entries. Authenticators, registers and events use it as the name of the records' table:
// never change one.
type Kind string

const (
	KindType Kind = "license_types"
	KindItem Kind = "service_items"
)

// Kinds are all kinds of entries. Each has a definition in package catalog, and a table in
// every driver.
var Kinds = []Kind{KindType, KindItem}

// Life points at the parts of a version that all kinds have.
type Life struct {
	Version                     *int
	State                       *State
	Owner                       *string
	Created, Published, Retired *time.Time
	Revision                    *int64
}

// KindOf is the definition of a kind of entries: all that sets it apart from the others. C
// is the code of an entry, D what a client says of one, and V a version of it. All but
// Fresh and Publishable is required.
type KindOf[C ~string, D, V any] struct {
	Kind   Kind
	Called string // the kind's name in events and errors, such as type
	// Fresh is how long the newest versions of an entry are cached. After that time at the latest, this node sees
	// what another node changed. 0: they are read each time.
	Fresh                      time.Duration
	Put, Publish, Retire, Read journal.Action

	Valid     func(C) bool  // reports whether a code has the right form
	CheckCode func(C) error // refuses a code that an entry can't be written under
	// Check returns a *refusal.Error that names everything wrong with a definition.
	Check func(context.Context, *D) error
	// Publishable refuses to publish a definition that may be put. nil: whatever may be put can be published.
	Publishable func(*D) error
	Draft       func(C, D) V
	Definition  func(*V) *D
	Life        func(*V) Life

	// Refusals: there is no such entry; it is another's; it has no draft, no published
	// version, or as many versions as there may be.
	Unknown, NotOwner, NotDraft, NotPublished, ManyVersions func() error
}

// Open returns the version that a record contains.
func (k *KindOf[C, D, V]) Open(rec Record) (*V, error) {
	v := new(V)
	if err := json.Unmarshal(rec.Body, v); err != nil {
		return nil, fmt.Errorf("opening %s %s version %d: %w", k.Called, rec.Code, rec.Version, err)
	}
	l := k.Life(v)
	*l.State, *l.Revision = rec.State, rec.Revision
	return v, nil
}

func (k *KindOf[C, D, V]) openAll(records []Record) ([]V, error) {
	var vs []V
	for _, rec := range records {
		v, err := k.Open(rec)
		if err != nil {
			return nil, err
		}
		vs = append(vs, *v)
	}
	return vs, nil
}

// named returns the details by which an event names a version.
func (k *KindOf[C, D, V]) named(code C, version int) map[string]string {
	return map[string]string{k.Called: string(code), k.Called + "_version": strconv.Itoa(version)}
}

// Record returns the record of a version, to be stored.
func (k *KindOf[C, D, V]) Record(code C, v *V) (Record, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return Record{}, fmt.Errorf("encoding %s %s: %w", k.Called, code, err)
	}
	l := k.Life(v)
	return Record{
		Code: string(code), Version: *l.Version, State: *l.State, Revision: *l.Revision,
		Owner: *l.Owner, Body: body, Updated: time.Now(),
	}, nil
}
