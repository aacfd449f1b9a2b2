package intake

import (
	"context"
	"errors"

	"yizheng.internal/oidc/identity"
)

// One is a record that a source brings by itself, by a request.
type One struct {
	Row              // its level is needed
	Most      int    // the highest level that who brings it may give; see also [Source]
	Actor     string // who brings it
	RequestID string // of the request
}

// TakeOne takes in one record of a source by itself, in one transaction, and returns the id of its
// account. made is false if the same record came before and said the same. It refuses a person who has
// an account already: otherwise, who knows somebody's name and number would become their source.
// *Refusal. ErrNotFound if there is no such source.
func (s *Service) TakeOne(ctx context.Context, source string, r One) (account string, made bool, err error) {
	of, err := s.Source(ctx, source)
	if err != nil {
		return "", false, err
	}
	of.Level = min(of.Level, r.Most)
	if r.Level == "" {
		return "", false, refuse(LevelInvalid, "the level is 1, 2 or 3")
	}
	i := &Import{Source: of, s: s, actor: r.Actor, method: identity.MethodAuthority, alone: true, request: r.RequestID}
	c, err := i.check(r.Row)
	if err != nil {
		return "", false, err
	}
	for try := range tries {
		var o Outcome
		o, account, err = i.take(ctx, c)
		e, refused := errors.AsType[*identity.Error](err)
		if refused && (!errors.Is(err, identity.ErrExists) || try > 0) {
			return "", false, &Refusal{Reason: Reason(e.Reason), Detail: e.Detail}
		}
		if !errors.Is(err, identity.ErrExists) {
			return account, o == Taken, err
		}
	}
	return "", false, refuse(AccountExists, "the person has an account already")
}
