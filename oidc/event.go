package oidc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Actions that leave events. The names are stable.
const (
	ActionClientCreate       = "client.create"
	ActionClientUpdate       = "client.update"
	ActionClientRotate       = "client.rotate_secret"
	ActionClientDisable      = "client.disable"
	ActionClientEnable       = "client.enable"
	ActionParticipantCreate  = "participant.create"
	ActionParticipantUpdate  = "participant.update" // of several things, or of others than those below
	ActionParticipantRename  = "participant.rename"
	ActionParticipantDisable = "participant.disable"
	ActionParticipantEnable  = "participant.enable"
	ActionTokenRefuse        = "token.refuse"
	ActionTokenRevoke        = "token.revoke"

	// Of operators' commands. The object is the backup's id, the schema's version, a
	// key's id; of key.create the ring, as PURPOSE or PURPOSE/OWNER.
	ActionBackup      = "installation.backup"
	ActionArchive     = "installation.archive"
	ActionArchiveRead = "installation.read_archive" // the object is the file
	ActionRestore     = "installation.restore"
	ActionAcceptLoss  = "integrity.accept" // the object is why
	ActionMigrate     = "installation.migrate"
	ActionKeyCreate   = "key.create"
	ActionKeyActivate = "key.activate"
	ActionKeyRetire   = "key.retire"
	ActionKeyRevoke   = "key.revoke"
	ActionKeyRehash   = "key.rehash"              // without an object
	ActionListPublish = "revocation_list.publish" // the object is the root's key

	// Of people's logins. The actor is an account or a client, the object a
	// session, a family, or the client that was agreed to.
	ActionSessionBegin  = "session.begin"
	ActionSessionStepUp = "session.step_up"
	ActionSessionEnd    = "session.end"    // the result is why, one of EndedBy…
	ActionConsent       = "consent.decide" // the result is ok, or the reason of a refusal
	ActionConsentKeep   = "consent.remember"
	ActionConsentEnd    = "consent.end" // the object is the client
	ActionCodeRedeem    = "code.redeem"
	ActionCodeReuse     = "code.reuse"
	ActionRefreshReuse  = "refresh.reuse"
	ActionFamilyEnd     = "family.end" // the result is why
)

// Results of an event that are no refusal. A change leaves two events: begun
// before it and the outcome after it, so that none can happen without a trace
// even if the process dies in between.
const (
	ResultBegun = "begun"
	ResultOK    = "ok"
)

// Actor is who does something.
type Actor struct {
	ID        string // client id; "cli" for an operator's command, followed by ":" and the operator's name
	RequestID string // of the HTTP request, for finding it in the log
}

// newEvent returns an event as it is stored, with its hash.
func newEvent(a Actor, action, object, result string) EventRecord {
	e := EventRecord{
		ID: identity.NewID(), At: time.Now().UTC().Truncate(time.Millisecond),
		Action: action, Actor: a.ID, Object: object, RequestID: a.RequestID, Result: result,
	}
	e.Hash = sm3.Sum(e.Canonical())
	return e
}

// Canonical returns the bytes whose SM3 is the event's Hash: a JSON object with
// these members in this order, without white space, as RFC 8785 would write it.
// Seq is left out, for the store gives it; the id is random, so that the hash
// gives nothing away. What was hashed can be written again from the columns.
func (e EventRecord) Canonical() []byte {
	b, _ := json.Marshal(struct { // strings alone: it can't fail
		Action    string `json:"action"`
		Actor     string `json:"actor"`
		At        string `json:"at"`
		Hash      string `json:"hash"` // the algorithm
		ID        string `json:"id"`
		Object    string `json:"object"`
		RequestID string `json:"request_id"`
		Result    string `json:"result"`
	}{e.Action, e.Actor, e.At.UTC().Format("2006-01-02T15:04:05.000Z"), "sm3", e.ID, e.Object, e.RequestID, e.Result}, jsontext.AllowInvalidUTF8(true))
	return b
}

// repeating is of which kind events are that repeat.
type repeating struct{ actor, action, object, result string }

// Refused records that an authenticated caller was refused something. Object
// is what it wanted to act on, or empty. Refusals that repeat are merged.
func (p *Provider) Refused(ctx context.Context, a Actor, action, object, reason string) error {
	return p.recordRepeating(ctx, a, action, object, reason)
}

// recordRepeating is record for what a caller can have as often as it likes: of a kind,
// ten a minute leave an event each, and those that follow one together.
func (p *Provider) recordRepeating(ctx context.Context, a Actor, action, object, result string) error {
	if !p.repeats.Admit(repeating{a.ID, action, object, result}, time.Now()) {
		return nil
	}
	return p.record(ctx, a, action, object, result)
}

// record stores an event that is no change of a row.
func (p *Provider) record(ctx context.Context, a Actor, action, object, result string) error {
	if err := p.c.Events.AppendEvents(ctx, newEvent(a, action, object, result)); err != nil {
		return fmt.Errorf("recording %s: %w", action, err)
	}
	return nil
}

// Run writes the events of what was merged, until ctx ends, and then those that are left.
func (p *Provider) Run(ctx context.Context) {
	p.repeats.Run(ctx, p.c.Log, func(ctx context.Context, d journal.Repeated[repeating]) error {
		k := d.Kind
		return p.c.Events.AppendEvents(ctx, newEvent(Actor{k.actor, journal.MergedRequest(d.Count)}, k.action, k.object, k.result))
	})
}

// refused is Refused where the refusal stands whatever becomes of its record:
// failing to write it down must not turn a no into something else. Of a client
// without a secret only misuse of what is genuine is recorded: anybody could be
// that client, and could fill the disk.
func (p *Provider) refused(ctx context.Context, c Client, requestID string, e *Error) {
	if c.Public() && !misuse[e.reason()] {
		return
	}
	ctx, cancel := toTheEnd(ctx)
	defer cancel()
	if err := p.Refused(ctx, Actor{c.ID, requestID}, ActionTokenRefuse, c.ID, e.reason()); err != nil {
		p.c.Log.ErrorContext(ctx, "a refusal could not be recorded", "client", c.ID, "reason", e.reason(), "error", err)
	}
}

// ErrUnrecorded says that the event of a change could not be stored, so that the
// change was not begun.
var ErrUnrecorded = errors.New("it can't be recorded")

// Recorded does a change that is none of the provider's between two events of it,
// as the provider's own changes are done. It returns the change's error, or ErrUnrecorded
// (wrapped).
func (p *Provider) Recorded(ctx context.Context, a Actor, action, object string, change func() error) error {
	return p.recorded(ctx, a, action, object, change)
}

// recorded does a change between the two events of it.
func (p *Provider) recorded(ctx context.Context, a Actor, action, object string, change func() error) error {
	if err := p.c.Events.AppendEvents(ctx, newEvent(a, action, object, ResultBegun)); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrUnrecorded, action, err)
	}
	failure := change()
	result := ResultOK
	if failure != nil {
		result = resultOf(failure)
	}
	ctx, cancel := toTheEnd(ctx) // the outcome is recorded even if the caller has gone away meanwhile
	defer cancel()
	if err := p.c.Events.AppendEvents(ctx, newEvent(a, action, object, result)); err != nil {
		p.c.Log.ErrorContext(ctx, "the outcome of a change could not be recorded", "action", action, "object", object, "result", result, "error", err)
	}
	return failure
}

// misuse are reasons for refusing a code or a refresh token that somebody was given.
var misuse = map[string]bool{
	"code_client": true, "code_redirect_uri": true, "code_verifier": true, "code_tries": true, "code_reuse": true, "refresh_client": true, "refresh_reuse": true,
}

// recordTimeout adds to the time that a request takes at most: see api.RequestWithin.
const recordTimeout = 5 * time.Second

// toTheEnd returns a context for what is done even if the caller hangs up.
func toTheEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
}

// resultOf returns the reason code of a failed change, for its event.
func resultOf(err error) string {
	if e, ok := errors.AsType[*RegistrationError](err); ok {
		return e.Reason
	}
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return e.Reason
	}
	switch {
	case errors.Is(err, ErrExists), errors.Is(err, identity.ErrExists):
		return "exists"
	case errors.Is(err, ErrNotFound), errors.Is(err, identity.ErrNotFound):
		return "not_found"
	case errors.Is(err, ErrConflict), errors.Is(err, identity.ErrConflict):
		return "conflict"
	}
	return "failed"
}
