package journal

import "context"

// Appender keeps events.
type Appender interface {
	// AppendEvents stores all of the events, each in its log, or none; when it returns
	// nil they are on disk.
	AppendEvents(ctx context.Context, es ...Event) error
}

// Store keeps the events of both halves. Every driver passes storagetest/ledger.Journal. Methods of
// other stores take events beside a change, and store them in the same transaction: either
// both are on disk, or neither.
type Store interface {
	Appender
	// ListEvents returns up to limit events of a stream with Seq greater than after, ordered
	// by Seq. A caller that goes on after the last one misses none.
	ListEvents(ctx context.Context, s Stream, after int64, limit int) ([]Event, error)
	// SearchEvents returns the first f.Limit events of a log that f admits, ordered by time
	// and then by Seq. Events of the log Registry have no subject.
	SearchEvents(ctx context.Context, log Log, f Filter) ([]Event, error)
}

// Stream is a sequence of events that can be followed: all of the log Provider or
// Registry, or one license's of the log License.
type Stream struct {
	Log     Log
	License string // of the log License alone
}
