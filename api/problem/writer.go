package problem

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
)

// ErrPanic answers a request whose handling panicked, which is logged already.
var ErrPanic = errors.New("panic")

// Config says what a Writer works with.
type Config struct {
	Log     *Log                // of what isn't the client's fault
	Refused func(reason string) // counts the refusal of somebody not authenticated
	// Page answers with a page where one is waited for, and reports whether it did. p is
	// what a client of the API would see.
	Page func(w http.ResponseWriter, r *http.Request, p Problem, err error) bool
}

// Writer answers errors: with problem+json, or a page. Safe for concurrent use.
type Writer struct{ c Config }

// NewWriter returns a Writer. All of c is needed.
func NewWriter(c Config) (*Writer, error) {
	if c.Log == nil || c.Refused == nil || c.Page == nil {
		return nil, errors.New("problem: Config needs Log, Refused and Page")
	}
	return &Writer{c}, nil
}

// Handle turns a handler that returns its error into one of net/http's.
func (x *Writer) Handle(h func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			x.Answer(w, r, err)
		}
	})
}

// Answer answers an error, and logs it if it is a failure of ours.
func (x *Writer) Answer(w http.ResponseWriter, r *http.Request, err error) {
	p := Of(err)
	f := FactsOf(r.Context())
	if p.Status >= 500 && p.Reason != reasonCancelled && !errors.Is(err, ErrPanic) {
		x.c.Log.Error(r.Context(), "request failed", err, "request_id", f.ID, "route", r.Pattern)
	}
	if f.Client == "" {
		x.c.Refused(p.Reason)
	}
	if x.c.Page(w, r, p, err) {
		return
	}
	p.Type, p.Title, p.RequestID = "about:blank", http.StatusText(p.Status), f.ID
	h := w.Header()
	h.Set("Content-Type", Media)
	h.Set("Cache-Control", "no-store")
	if p.Challenge != "" {
		h.Set("WWW-Authenticate", p.Challenge)
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	body, merr := json.Marshal(p)
	if merr != nil { // only if a text of ours is not UTF-8
		body = []byte(`{"status":500}`)
	}
	w.WriteHeader(p.Status)
	w.Write(body)
}
