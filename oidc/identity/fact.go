package identity

import (
	"context"
	"errors"
	"time"
)

// Fact is something that happened to an account or a party, for the events.
// Nothing in it is personal.
type Fact struct {
	Action    string // one of those below
	Actor     string // account id, "cli", or empty for somebody unknown
	Object    string // account or party id
	Result    string // "begun", "ok", or the reason code of a refusal
	RequestID string
}

// Actions of facts. The names are stable. A change leaves two facts, begun
// before it and the outcome after it, so that none can happen without a trace.
const (
	ActionPartyCreate    = "party.create"
	ActionAccountCreate  = "account.create"
	ActionAccountDisable = "account.disable"
	ActionAccountEnable  = "account.enable"
	ActionPhoneChange    = "account.change_phone"
	ActionTicketCreate   = "account.setup_ticket"
	ActionPasswordSet    = "account.set_password"
	ActionPasswordChange = "account.change_password"
	ActionLogin          = "login.password"  // ok; unknown_account, wrong_password, no_password, account_disabled, too_many_tries
	ActionLoginConfirm   = "login.confirm"   // by a code, after ActionLoginChallenge
	ActionLoginChallenge = "login.challenge" // the password's answer is withheld until a code confirms it
	ActionCodeSend       = "code.send"
	ActionCodeCheck      = "code.check"
)

const (
	resultBegun = "begun"
	resultOK    = "ok"
)

// recorded does a change between its two facts.
func (s *Service) recorded(ctx context.Context, f Fact, change func() error) error {
	f.Result = resultBegun
	if err := s.c.Record(ctx, f); err != nil {
		return err
	}
	failure := change()
	f.Result = resultOf(failure)
	s.noted(ctx, f)
	return failure
}

// noted records what stands whatever becomes of its record. It does so even if
// the caller has gone away meanwhile.
func (s *Service) noted(ctx context.Context, f Fact) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := s.c.Record(ctx, f); err != nil {
		s.c.Log.ErrorContext(ctx, "a fact could not be recorded", "action", f.Action, "object", f.Object, "result", f.Result, "error", err)
	}
}

const recordTimeout = 5 * time.Second

func resultOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	switch {
	case err == nil:
		return resultOK
	case errors.Is(err, ErrExists):
		return "exists"
	case errors.Is(err, ErrNotFound):
		return "not_found"
	case errors.Is(err, ErrConflict):
		return "conflict"
	}
	return "failed"
}
