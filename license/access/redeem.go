package access

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
)

// RedeemRequest reads a license by a use code.
type RedeemRequest struct {
	UseCode   string
	RequestID string   // chosen by the consumer; the same id again is the same reading
	Nonce     string   // for the key binding, 8 to 128 visible ASCII characters
	Officer   *Officer // who reads; nil: the consuming system itself
}

// Released is what a reading yields.
type Released struct {
	License  audit.ID
	Version  int // as the holder saw it
	TypeCode credential.TypeCode
	Fields   []string // the parts that are disclosed
	Withheld []string // parts below holders that aren't, such as holders/1/code
	// Credential is the license's credential with only the parts that were
	// agreed to, bound to the client and its nonce by a key binding JWT (RFC
	// 9901 section 4.3) of the presentation key that its cnf names.
	Credential string
	Record     string    // id of the access record 用证记录
	Until      time.Time // when the use code's reading window closes
	Again      bool      // this reading was recorded before
}

// maxRequestID is the longest request id, in bytes.
const maxRequestID = 128

// redeemTries is how often a reading is tried if another reading, or a change of what its decision rests on,
// overtakes it.
const redeemTries = 10

// Redeem reads a license by a use code. The access record is on disk before anything is opened, even if the
// reading is refused. A repeated request is the same reading: it leaves no second record, and is answered as long
// as a first one would be. Its key binding is then signed anew.
//
// For other clients than its own, a use code doesn't exist. The attempt is recorded all the same, for the holder
// to see. Once a code has MaxRefusedReadings refused readings, further ones leave only the events of refusals.
func (r *Service) Redeem(ctx context.Context, a audit.Actor, q RedeemRequest) (out Released, err error) {
	recorded := false
	defer func() {
		if !recorded {
			audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionLicenseRedeem, "")
		}
	}()
	if err := q.check(); err != nil {
		return Released{}, err
	}
	code, ok := grant.ParseUseCode(q.UseCode)
	if !ok {
		return Released{}, errUseCodeUnknown()
	}
	exhausted := false
	for range redeemTries {
		u, err := r.c.Store.LoadUse(ctx, code.Grant(), code.Hash(), code.Request(q.RequestID))
		if errors.Is(err, license.ErrNotFound) {
			return Released{}, errUseCodeUnknown()
		} else if err != nil {
			return Released{}, fmt.Errorf("loading a use code: %w", err)
		}
		g, err := r.c.Grants.Open(ctx, u.Grant)
		if err != nil {
			return Released{}, err
		}
		read, err := r.reading(ctx, a, &u, g, code, q, exhausted)
		if err != nil {
			return Released{}, err
		}
		parts := releasing{g.Parts(u.Code.License), g.Withheld(u.Code.License)}
		if read == nil {
			return r.again(ctx, a, &u, parts, q)
		}
		r.c.Step("redeem.decided")
		err = r.c.Store.SaveUse(ctx, *read)
		switch result := read.Record.Result; {
		case errors.Is(err, license.ErrConflict):
			continue
		case errors.Is(err, license.ErrExhausted) && result == ResultOK:
			exhausted = true // the next try records what it is then: a refusal
			continue
		case errors.Is(err, license.ErrExhausted):
			return Released{}, errRefused(refusal.Reason(result)) // the license gets no more access records of it
		case err != nil:
			return Released{}, fmt.Errorf("recording a reading of license %s: %w", u.Code.License, err)
		}
		r.c.Step("redeem.recorded")
		recorded = true
		if result := read.Record.Result; result != ResultOK {
			return Released{}, errRefused(refusal.Reason(result))
		}
		return r.release(ctx, a, &u, parts, read.Record, q.Nonce)
	}
	return Released{}, refusal.ChangedMeanwhile()
}

func (q *RedeemRequest) check() error {
	var vs refusal.Violations
	vs.When(len(q.RequestID) > maxRequestID || !refusal.VisibleASCII(q.RequestID) || q.RequestID == "", "/request_id", "request_id", "must be 1 to 128 visible ASCII characters")
	vs.When(len(q.Nonce) < 8 || len(q.Nonce) > 128 || !refusal.VisibleASCII(q.Nonce), "/nonce", "nonce", "must be 8 to 128 visible ASCII characters")
	if o := q.Officer; o != nil {
		vs.Text("/officer/id", o.ID, 1, 64)
		vs.Text("/officer/name", o.Name, 1, 100)
		vs.Text("/officer/division", o.Division, 0, 100)
	}
	return vs.Err("request_invalid", "The request is not acceptable; see violations.")
}

// reading decides on a reading and prepares its record. It returns nil if the request repeats an allowed reading.
// exhausted says that the code allows no further reading.
func (r *Service) reading(ctx context.Context, a audit.Actor, u *Used, g grant.Grant, code grant.UseCode, q RedeemRequest, exhausted bool) (*Reading, error) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	g = g.Stand(u.Grant, now)
	result := ResultMismatch
	if g.Client == a.Client {
		result = string(grant.Hindrance(&u.Code, &g, u.Version, exhausted && u.Earlier == nil, now))
	}
	switch {
	case result == "" && u.Earlier != nil:
		return nil, nil
	case result == "":
		result = ResultOK
	}
	rec, err := r.newAccess(ctx, a, u, &g, body{
		Case: g.Case, Fields: g.Parts(u.Code.License), Officer: q.Officer,
		Party: g.Party, Acting: g.Acting, Representation: g.Representation, By: g.By, Proving: g.Proving,
		Withheld: g.Withheld(u.Code.License), Nonce: q.Nonce,
	}, now)
	if err != nil {
		return nil, err
	}
	rec.Result = result
	e, err := r.c.Journal.Event(ctx, a.Did(journal.ActionLicenseRedeem, rec.License, rec.Version, result, map[string]string{
		"grant": string(g.ID), "item": string(g.Item), "case": g.Case, "record": rec.ID,
	}))
	if err != nil {
		return nil, err
	}
	used := u.Code
	if used.First.IsZero() {
		used.First = rec.At
	}
	auth, _, err := r.c.Vault.Auth().Stamp(used.Facts())
	return &Reading{
		Record: rec, CodeAuth: auth, Event: e, Code: u.Code.Hash, Request: code.Request(q.RequestID),
		First: u.Code.First, GrantRevision: u.Grant.Revision, LicenseRevision: u.License.Revision,
	}, err
}

// releasing says what of a license is released.
type releasing struct{ fields, withheld []string }

// again answers a request that was recorded before. The row that led to the record is not trusted: the record
// must be of an allowed reading by this very code.
func (r *Service) again(ctx context.Context, a audit.Actor, u *Used, parts releasing, q RedeemRequest) (Released, error) {
	earlier, err := r.opened(ctx, *u.Earlier)
	if err != nil {
		return Released{}, err
	}
	if earlier.Grant != u.Grant.ID || earlier.License != u.Code.License || earlier.Version != u.Code.Version ||
		earlier.Client != a.Client || earlier.Result != ResultOK {
		return Released{}, r.c.Vault.Auth().Refuse("use_requests", string(u.Grant.ID), "a request leads to a reading that is not its own")
	}
	if earlier.Nonce != q.Nonce || !reflect.DeepEqual(earlier.Officer, q.Officer) {
		return Released{}, refusal.Conflict("request_id_reused", "This request id was used for another reading by this code. Use a new one for a new reading.")
	}
	out, err := r.release(ctx, a, u, parts, *u.Earlier, q.Nonce)
	out.Again = true
	return out, err
}

// release opens the credential of a license whose reading is recorded. It withholds all parts but those that were
// agreed to, and binds the rest to the client and its nonce.
func (r *Service) release(ctx context.Context, a audit.Actor, u *Used, parts releasing, rec Record, nonce string) (Released, error) {
	whole, err := r.c.Records.OpenCredential(ctx, u.Version)
	if err != nil {
		return Released{}, err
	}
	token, err := credential.Present(whole, parts.fields, parts.withheld)
	if err != nil {
		return Released{}, fmt.Errorf("presenting license %s version %d: %w", rec.License, rec.Version, err)
	}
	key, err := r.c.Records.PresentationKey(ctx, u.Version)
	if err != nil {
		return Released{}, err
	}
	now := time.Now()
	bound, err := token.Bind(key, jose.SM2, a.Client, nonce, now)
	if err != nil {
		return Released{}, fmt.Errorf("binding license %s: %w", rec.License, err)
	}
	if u.Code.First.IsZero() {
		u.Code.First = rec.At
	}
	return Released{
		License: rec.License, Version: rec.Version, TypeCode: u.License.Type, Fields: parts.fields, Withheld: parts.withheld,
		Credential: bound.String(), Record: rec.ID, Until: u.Code.Window(u.Grant.Expires),
	}, nil
}

// refusals says what the reasons of refused readings mean.
var refusals = map[refusal.Reason]string{
	refusal.ReasonGrantPending:       "The grant's authorization code is not redeemed yet.",
	refusal.ReasonGrantEnded:         "The grant was withdrawn or revoked. Ask the holder again.",
	refusal.ReasonGrantExpired:       "The grant's time is over. Ask the holder again.",
	refusal.ReasonWindowOver:         "The use code's reading window is over. A recurring grant gives a new code; for another one ask the holder again.",
	refusal.ReasonExhausted:          "The use code was used with 100 request ids, and is good for no more. Repeat an earlier request within its window; for another code ask the holder again.",
	refusal.ReasonLicenseSuspended:   "The license is suspended.",
	refusal.ReasonLicenseSuperseded:  "The license was changed since its holder agreed. Ask the holder again.",
	refusal.ReasonLicenseEnded:       "The license has ended.",
	refusal.ReasonLicenseExpired:     "The license has expired.",
	refusal.ReasonLicenseNotYetValid: "The license is not valid yet.",
}

// errRefused returns the refusal of a reading by its reason.
func errRefused(reason refusal.Reason) error {
	if reason == ResultMismatch {
		return errUseCodeUnknown() // whether another's code exists is nobody's business
	}
	return refusal.Conflict(reason, strings.TrimSpace(refusals[reason]+" Nothing was released."))
}

func errUseCodeUnknown() error {
	return refusal.Missing("use_code_unknown", "There is no such use code among yours.")
}
