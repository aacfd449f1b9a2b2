package problem

import "context"

// Facts are what is known of a request: for the log, and for the answer to its error.
// They belong to the request's goroutine.
type Facts struct {
	ID     string // of the request
	Client string // that was authenticated; empty: nobody was
	Page   bool   // a person waits for a page
}

type factsKey struct{}

// WithFacts returns a context that carries a request's facts.
func WithFacts(ctx context.Context, f *Facts) context.Context {
	return context.WithValue(ctx, factsKey{}, f)
}

// FactsOf returns the facts of the request that a context is of; of any other context
// it returns empty ones.
func FactsOf(ctx context.Context) *Facts {
	if f, ok := ctx.Value(factsKey{}).(*Facts); ok {
		return f
	}
	return &Facts{}
}

// RequestID returns the request's id.
func RequestID(ctx context.Context) string { return FactsOf(ctx).ID }

// ClientOf returns the client that was authenticated, or nothing.
func ClientOf(ctx context.Context) string { return FactsOf(ctx).Client }

// KnowClient notes the authenticated client.
func KnowClient(ctx context.Context, id string) { FactsOf(ctx).Client = id }
