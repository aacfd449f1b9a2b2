package acting

import (
	"context"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// Fact is a relationship between two parties that a license in force proves by the codes of its
// holders; never by their names.
type Fact struct {
	Kind     Kind          // LegalRepresentative or Guardian; empty for a marriage
	Of       identity.Kind // what the other party is: an organization, or a person
	Codes    []party.Code  // of the other party, as the license names them
	Name     string        // of the other party
	License  string        // id of the license
	Version  int           // of the license, the newest
	Type     string        // code of its type
	TypeName string        // in Chinese, as the license has it
	Since    time.Time     // since when the registry has it so: when that version was issued
	Born     party.Date    // of a child, if the license or the code has it; zero: not known
}

// Head says who represents an organization by law, as far as the registry's licenses prove it.
type Head struct {
	Known bool         // a license of the organization names a representative by a code, or did
	Codes []party.Code // of the present one; empty: nobody's now, for the license ended or is suspended
	// Since is when it became so: when the version that first named the present one was issued, or when the
	// license was suspended or ended.
	Since time.Time
	// Disputed says that licenses in force contradict each other: nobody represents the organization until that is over.
	Disputed bool
}

// Registry tells what the registry's licenses prove of people with some codes. It asks the registry
// each time. Any error means that it couldn't be asked, and then nobody acts.
type Registry interface {
	// Represented returns whom licenses in force name beside somebody with one of the codes, as the
	// organization whose legal representative, or the child whose parent, that is.
	Represented(ctx context.Context, codes []party.Code) ([]Fact, error)
	// Head returns who represents an organization with one of the codes.
	Head(ctx context.Context, codes []party.Code) (Head, error)
	// Spouse returns the one who is married to somebody with one of the codes, if a marriage is
	// registered that no later license ends, and if its authority's coverage is declared complete; nil if
	// that isn't so.
	Spouse(ctx context.Context, codes []party.Code) (*Fact, error)
}
