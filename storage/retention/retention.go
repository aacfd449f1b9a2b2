// Package retention says how long a database keeps what is over. The drivers and
// who sets them up share its words.
//
// What ends by itself (idempotency keys, use codes, grants, consents) is found by
// sweeps: a table is read piece by piece, without an index that every insert would
// have to keep up. Events and access records go by whole months.
package retention

import (
	"context"
	"time"
)

// How long what is over is kept, for those who ask what became of it. docs/operating.md says
// all of this too.
const (
	// Requests is how long an idempotency key is kept, from its request on, at least.
	Requests = 48 * time.Hour
	// UseCodes is how long a use code is kept after it could last be used: from its
	// grant's end, or, if there is a newer one, from its first use. Until then who
	// uses it is told why it can't be.
	UseCodes = 30 * 24 * time.Hour
	// Lapsed is how long a grant is kept whose authorization code was never redeemed.
	Lapsed = 30 * 24 * time.Hour
	// Grants is how long any other grant is kept after its end: its holder sees it.
	Grants = 366 * 24 * time.Hour
	// Consents is how long an expired consent is kept.
	Consents = 24 * time.Hour
	// Keys is how old a lookup key is before a sweep asks whether what it leads to is gone.
	Keys = time.Hour
)

// Sweeper deletes what ends by itself. Every driver passes storagetest/upkeep.Sweeps.
type Sweeper interface {
	// Sweep looks at a bounded part of what is kept, and deletes what has been over for long
	// enough at now, with what belongs to it: registers, keys, what a use code was used for. It
	// returns how many rows went, and whether nothing more is due: after all of a table was
	// looked at, it isn't due for some hours. Only one caller at a time sweeps a table of a
	// database. If that is interrupted, another continues where it stopped.
	Sweep(ctx context.Context, now time.Time) (gone int, done bool, err error)
}
