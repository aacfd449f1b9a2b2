package journal

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing/vault"
)

// Fact is what an event says.
type Fact struct {
	Actor     Actor
	Party     string // opaque id of the person who is present, if there is one; it is one of the details
	Action    Action
	Subject   string // what was acted on: see [Known]
	Version   int    // of a license; 0: none
	RequestID string // of the HTTP request
	Result    string // ResultOK, or the reason code of a refusal; a Change sets it
	Detail    map[string]string
}

// Config says what a Recorder works with. Log and Store are required.
type Config struct {
	// Log is Provider or Registry. With Registry, events that have a subject go to that
	// license's history, which is the log License.
	Log   Log
	Store Appender
	// Vault seals details. The log Provider needs none, as its events have no details.
	Vault *vault.Vault
	// Reason returns the reason code of a change that failed. Default: "failed".
	Reason func(error) string
	Logger *slog.Logger // default: discards
}

// Recorder records what is done in one log. Safe for concurrent use.
//
// A change that a store makes in one transaction with its event gets that event from
// [Recorder.Event]. Everything else is recorded here:
//
//   - by Record what changes nothing;
//   - by Repeating what a caller can cause as often as it likes;
//   - by Refused and Noted what has happened, even if its event can't be stored;
//   - by Change a change that isn't made in the events' database.
type Recorder struct {
	c       Config
	repeats Repeats[kind]
}

// NewRecorder returns a Recorder.
func NewRecorder(c Config) *Recorder {
	if c.Reason == nil {
		c.Reason = func(error) string { return "failed" }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Recorder{c: c}
}

// Event returns an event as it is stored, with its hash.
func (r *Recorder) Event(ctx context.Context, f Fact) (Event, error) {
	e := Event{
		Log: r.c.Log, Form: Present, ID: strings.ToLower(rand.Text()), At: time.Now().UTC().Truncate(time.Microsecond), Action: f.Action,
		Actor: f.Actor, Subject: f.Subject, Version: f.Version, RequestID: f.RequestID, Result: f.Result,
	}
	if e.Log != Provider && e.Subject != "" {
		e.Log = License
	}
	p, err := r.private(f)
	if err != nil {
		return Event{}, err
	}
	e.Hash = sm3.Sum(e.present(p))
	if r.c.Vault == nil {
		return e, nil
	}
	plain, err := p.marshal()
	if err == nil {
		e.Sealed, err = r.c.Vault.Seal(ctx, place(e.ID), plain)
	}
	if err != nil {
		return Event{}, fmt.Errorf("sealing an event: %w", err)
	}
	return e, nil
}

// private makes the private part of an event.
func (r *Recorder) private(f Fact) (p Private, err error) {
	if p.Detail = f.Detail; f.Party != "" {
		if p.Detail = maps.Clone(f.Detail); p.Detail == nil {
			p.Detail = map[string]string{}
		}
		p.Detail["party"] = f.Party
	}
	switch {
	case r.c.Log != Provider && r.c.Vault == nil:
		return p, fmt.Errorf("there is no vault to seal events of the log %s", r.c.Log)
	case r.c.Log == Provider && (len(p.Detail) > 0 || f.Actor.Participant != "" || f.Version != 0):
		return p, fmt.Errorf("an event of the log %s has no details, participant or version: they would not be stored", r.c.Log)
	case r.c.Vault == nil:
		return p, nil
	}
	p.Nonce = make([]byte, 16)
	rand.Read(p.Nonce)
	return p, nil
}

// marshal returns the private part as JSON. Most events have no details, which is faster.
func (p Private) marshal() ([]byte, error) {
	if len(p.Detail) > 0 {
		return json.Marshal(p, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	}
	return append(base64.StdEncoding.AppendEncode([]byte(`{"nonce":"`), p.Nonce), `"}`...), nil
}

// place is the place to which the private part of an event is sealed.
func place(id string) vault.Place {
	return vault.Place{Table: "events", Row: id, Column: "detail"}
}

// Record stores an event that belongs to no change of a row.
func (r *Recorder) Record(ctx context.Context, f Fact) error {
	e, err := r.Event(ctx, f)
	if err == nil {
		err = r.c.Store.AppendEvents(ctx, e)
	}
	if err != nil {
		return fmt.Errorf("recording %s: %w", f.Action, err)
	}
	return nil
}

// kind is what events have in common that are counted together.
type kind struct {
	actor   Actor
	party   string
	action  Action
	subject string // of the provider's events alone: a caller may choose the license freely
	result  string
}

// Repeating is Record for events that a caller can cause as often as it likes. Of each kind,
// it stores ten a minute one by one. Run stores those that follow as one event, which names
// no license.
func (r *Recorder) Repeating(ctx context.Context, f Fact) error {
	k := kind{f.Actor, f.Party, f.Action, f.Subject, f.Result}
	if r.c.Log != Provider {
		k.subject = ""
	}
	if !r.repeats.Admit(k, time.Now()) {
		return nil
	}
	return r.Record(ctx, f)
}

// Run stores the events that Repeating has counted, until ctx ends, and then those that are
// left.
func (r *Recorder) Run(ctx context.Context) {
	r.repeats.Run(ctx, r.c.Logger, func(ctx context.Context, d Repeated[kind]) error {
		k := d.Kind
		return r.Record(ctx, Fact{Actor: k.actor, Party: k.party, Action: k.action, Subject: k.subject, Result: k.result, RequestID: MergedRequest(d.Count)})
	})
}

// within is how long a context of ToTheEnd lives after its caller has gone away. It adds to
// the longest time of a request: see api.RequestWithin.
const within = 5 * time.Second

// ToTheEnd returns a context for what must be done and recorded even if the caller hangs up.
func ToTheEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), within)
}

// Refused is Repeating for a refusal that has been decided. If its event can't be stored, the
// refusal stands all the same, and the service's log has it.
func (r *Recorder) Refused(ctx context.Context, f Fact) {
	ctx, cancel := ToTheEnd(ctx)
	defer cancel()
	if err := r.Repeating(ctx, f); err != nil {
		r.c.Logger.ErrorContext(ctx, "a refusal could not be recorded", "action", f.Action, "actor", f.Actor.ID, "reason", f.Result, "error", err)
	}
}

// Noted is Record for something that has happened already. If its event can't be stored, the
// service's log has it.
func (r *Recorder) Noted(ctx context.Context, f Fact) {
	ctx, cancel := ToTheEnd(ctx)
	defer cancel()
	if err := r.Record(ctx, f); err != nil {
		r.c.Logger.ErrorContext(ctx, "an outcome could not be recorded", "action", f.Action, "subject", f.Subject, "result", f.Result, "error", err)
	}
}

// ErrUnrecorded says that a change was not begun, because its event could not be stored.
var ErrUnrecorded = errors.New("it can't be recorded")

// Change does a change between its two events. It returns the change's error, or
// ErrUnrecorded (wrapped).
func (r *Recorder) Change(ctx context.Context, f Fact, change func() error) error {
	f.Result = ResultBegun
	e, err := r.Event(ctx, f)
	if err == nil {
		err = r.c.Store.AppendEvents(ctx, e)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrUnrecorded, f.Action, err)
	}
	failure := change()
	f.Result = ResultOK
	if failure != nil {
		f.Result = r.c.Reason(failure)
	}
	r.Noted(ctx, f)
	return failure
}
