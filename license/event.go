package license

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/license/audit"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// What the rooms below need of events stands in package audit.
type (
	Actor       = audit.Actor
	Action      = audit.Action
	EventRecord = audit.EventRecord
)

const (
	ActionIssue      Action = "license.issue"
	ActionReplace    Action = "license.replace"
	ActionSuspend    Action = "license.suspend"
	ActionResume     Action = "license.resume"
	ActionEnd        Action = "license.end"
	ActionRead       Action = "license.read"
	ActionCredential Action = "license.credential"
	ActionHistory    Action = "license.history"
	ActionSearch     Action = "license.search"
	ActionTypePut           = audit.ActionTypePut
	ActionTypePubl          = audit.ActionTypePubl
	ActionTypeRetire        = audit.ActionTypeRetire
	ActionTypeRead          = audit.ActionTypeRead

	ActionDelegate   = audit.ActionDelegate
	ActionUndelegate = audit.ActionUndelegate

	ActionItemPut            = audit.ActionItemPut
	ActionItemPublish        = audit.ActionItemPublish
	ActionItemRetire         = audit.ActionItemRetire
	ActionItemRead           = audit.ActionItemRead
	ActionOffer       Action = "grant.offer"    // licenses were shown to their holder, to agree
	ActionAgree       Action = "grant.agree"    // the holder agreed, or chose paper
	ActionDeliver     Action = "grant.deliver"  // use codes were handed out
	ActionRenew       Action = "grant.renew"    // of a recurring grant
	ActionRevoke      Action = "grant.revoke"   // with its code or token family
	ActionWithdraw    Action = "grant.withdraw" // by its holder
	ActionShared      Action = "grant.shared"   // listed, without data
	ActionRedeem      Action = "license.redeem" // read by a use code
	ActionHeld        Action = "license.held"   // shown to its holder; with no license: listed

	// What is for everybody leaves no event; these name it all the same.
	ActionVerify     Action = "license.verify" // by what is printed on a license
	ActionMetadata   Action = "type.metadata"  // what a credential's vct names
	ActionStatusList Action = "statuslist.read"
)

// ResultReplayed is the result of an event of a repeated request, which was
// answered as the first one was and changed nothing.
const ResultReplayed = "replayed"

// ResultRefused stands in a license's history where the reason of a refusal is
// somebody else's affair.
const ResultRefused = "refused"

// Event is an event, opened: what a license's history shows.
type Event struct {
	Seq         int64             `json:"seq" doc:"rises from event to event"`
	ID          string            `json:"id" doc:"opaque"`
	At          time.Time         `json:"at" doc:"when it happened"`
	Action      Action            `json:"action" doc:"what was done, such as license.issue or license.read"`
	Client      string            `json:"client,omitempty" doc:"the client that did it; cli: and the operator's name for a command; absent: another department read by a use code, or the holder looked"`
	Participant string            `json:"participant,omitempty" doc:"id of the client's participant; absent likewise"`
	RequestID   string            `json:"request_id,omitempty" doc:"finds the request in the service's log"`
	License     ID                `json:"license,omitempty" doc:"the license"`
	Version     int               `json:"version,omitzero" doc:"the version that was acted on; absent: no particular one"`
	Result      string            `json:"result" doc:"ok, or the reason code of a refusal; refused where the client is absent"`
	Detail      map[string]string `json:"detail,omitempty" doc:"reason, kind, …; may be personal"`
}

// shownTo returns what the authority of a license sees of an event: all of its own doings,
// and of others' attempts at what only an authority may do. That the license was read by a
// use code, or looked at by its holder, is between those two: of that it sees what was done,
// when, and whether it was refused; and not by whom, by which grant or for which case.
func (e *Event) shownTo(a Actor) Event {
	private := e.Action == ActionRedeem || e.Action == ActionHeld
	if !private || e.Participant != "" && e.Participant == a.Participant {
		return *e
	}
	out := Event{Seq: e.Seq, ID: e.ID, At: e.At, Action: e.Action, License: e.License, Version: e.Version, Result: e.Result}
	if out.Result != ResultOK {
		out.Result = ResultRefused
	}
	return out
}

// canonicalEvent is what an event's hash is over, as JSON with the members in
// this order. A log over many events will hold these hashes: never change it
// without a new V.
type canonicalEvent struct {
	V           int               `json:"v"`
	ID          string            `json:"id"`
	At          time.Time         `json:"at"` // UTC, microseconds
	Action      Action            `json:"action"`
	Client      string            `json:"client"`
	Participant string            `json:"participant"`
	RequestID   string            `json:"request_id"`
	License     ID                `json:"license"`
	Version     int               `json:"version"`
	Result      string            `json:"result"`
	Detail      map[string]string `json:"detail"` // keys sorted
	Nonce       []byte            `json:"nonce"`  // 16 random bytes
}

// eventDetail is the sealed part of an event.
type eventDetail struct {
	Detail map[string]string `json:"detail,omitempty"`
	Nonce  []byte            `json:"nonce"`
}

func eventPlace(id string) signing.Place {
	return signing.Place{Table: "events", Row: id, Column: "detail"}
}

// event makes an event that is about to happen: it is stored with the change
// itself, or by record.
func (r *Registry) event(ctx context.Context, a Actor, act Action, id ID, version int, result string, detail map[string]string) (EventRecord, error) {
	if a.Party != "" {
		detail = maps.Clone(detail)
		if detail == nil {
			detail = map[string]string{}
		}
		detail["party"] = a.Party
	}
	if len(detail) == 0 {
		detail = nil // as it comes back from its sealed form
	}
	c := canonicalEvent{
		V: 1, ID: string(newID()), At: time.Now().UTC().Truncate(time.Microsecond), Action: act,
		Client: a.Client, Participant: a.Participant, RequestID: a.RequestID,
		License: id, Version: version, Result: result, Detail: detail, Nonce: make([]byte, 16),
	}
	rand.Read(c.Nonce)
	hash, err := c.hash()
	if err != nil {
		return EventRecord{}, err
	}
	plain, err := eventDetail{detail, c.Nonce}.marshal()
	if err != nil {
		return EventRecord{}, fmt.Errorf("encoding an event: %w", err)
	}
	sealed, err := r.c.Vault.Seal(ctx, eventPlace(c.ID), plain)
	return EventRecord{
		ID: c.ID, At: c.At, Action: act, Client: a.Client, Participant: a.Participant, RequestID: a.RequestID,
		License: id, Version: version, Result: result, Detail: sealed, Hash: hash,
	}, err
}

func (c *canonicalEvent) hash() ([32]byte, error) {
	b, err := c.marshal()
	if err != nil {
		return [32]byte{}, fmt.Errorf("encoding an event: %w", err)
	}
	return sm3.Sum(b), nil
}

// marshal returns the canonical form: what encoding/json makes of the event. Most
// have no details and no text with an escape in it, and are written here at a
// fifth of the cost.
func (c *canonicalEvent) marshal() ([]byte, error) {
	for _, s := range [...]string{c.ID, string(c.Action), c.Client, c.Participant, c.RequestID, string(c.License), c.Result} {
		if !unescaped(s) {
			return json.Marshal(c)
		}
	}
	if c.Detail != nil || c.Nonce == nil {
		return json.Marshal(c)
	}
	o := objectWriter{out: make([]byte, 0, 512)}
	o.begin()
	o.raw("v", strconv.AppendInt(nil, int64(c.V), 10))
	o.text("id", c.ID)
	o.text("at", c.At.Format(time.RFC3339Nano))
	o.text("action", string(c.Action))
	o.text("client", c.Client)
	o.text("participant", c.Participant)
	o.text("request_id", c.RequestID)
	o.text("license", string(c.License))
	o.raw("version", strconv.AppendInt(nil, int64(c.Version), 10))
	o.text("result", c.Result)
	o.raw("detail", []byte("null"))
	o.text("nonce", base64.StdEncoding.EncodeToString(c.Nonce))
	o.end()
	return o.out, o.err
}

// unescaped reports whether encoding/json writes a text as it stands. It escapes
// what HTML gives a meaning, too.
func unescaped(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// marshal returns the detail as encoding/json would.
func (d eventDetail) marshal() ([]byte, error) {
	if len(d.Detail) > 0 {
		return json.Marshal(d)
	}
	o := objectWriter{out: make([]byte, 0, 64)}
	o.begin()
	o.text("nonce", base64.StdEncoding.EncodeToString(d.Nonce))
	o.end()
	return o.out, o.err
}

// repeating is of which kind events are that repeat: what makes one differ from another
// otherwise, such as the license, is the caller's to choose.
type repeating struct {
	client, participant, party string
	action                     Action
	result                     string
}

// recordRepeating is record for what a caller can have as often as it likes: of a kind,
// ten a minute leave an event each, and those that follow one together, of no one license.
func (r *Registry) recordRepeating(ctx context.Context, a Actor, act Action, id ID, version int, result string, detail map[string]string) error {
	if !r.repeats.Admit(repeating{a.Client, a.Participant, a.Party, act, result}, time.Now()) {
		return nil
	}
	return r.record(ctx, a, act, id, version, result, detail)
}

// Run writes the events of what was merged, until ctx ends, and then those that are left.
func (r *Registry) Run(ctx context.Context) {
	r.repeats.Run(ctx, r.c.Log, func(ctx context.Context, d journal.Repeated[repeating]) error {
		k := d.Kind
		a := Actor{Client: k.client, Participant: k.participant, Party: k.party, RequestID: journal.MergedRequest(d.Count)}
		return r.record(ctx, a, k.action, "", 0, k.result, nil)
	})
}

// record stores an event that is no change.
func (r *Registry) record(ctx context.Context, a Actor, act Action, id ID, version int, result string, detail map[string]string) error {
	e, err := r.event(ctx, a, act, id, version, result, detail)
	if err != nil {
		return err
	}
	if err := r.c.Stores.AppendEvents(ctx, e); err != nil {
		return fmt.Errorf("recording %s: %w", act, err)
	}
	return nil
}

// openEvent opens a stored event. One whose hash doesn't fit was altered.
func (r *Registry) openEvent(ctx context.Context, rec EventRecord) (Event, error) {
	plain, err := r.c.Vault.Open(ctx, eventPlace(rec.ID), rec.Detail)
	if err != nil {
		return Event{}, fmt.Errorf("opening event %s: %w", rec.ID, err)
	}
	var d eventDetail
	if err := json.Unmarshal(plain, &d); err != nil {
		return Event{}, fmt.Errorf("decoding event %s", rec.ID)
	}
	c := canonicalEvent{
		V: 1, ID: rec.ID, At: rec.At.UTC(), Action: rec.Action, Client: rec.Client, Participant: rec.Participant,
		RequestID: rec.RequestID, License: rec.License, Version: rec.Version, Result: rec.Result,
		Detail: d.Detail, Nonce: d.Nonce,
	}
	hash, err := c.hash()
	if err != nil {
		return Event{}, err
	}
	if hash != rec.Hash {
		return Event{}, fmt.Errorf("event %s does not fit its hash: it was altered", rec.ID)
	}
	return Event{
		Seq: rec.Seq, ID: rec.ID, At: c.At, Action: rec.Action, Client: rec.Client, Participant: rec.Participant,
		RequestID: rec.RequestID, License: rec.License, Version: rec.Version, Result: rec.Result, Detail: d.Detail,
	}, nil
}
