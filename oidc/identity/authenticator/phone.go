package authenticator

import (
	"context"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
)

// ChangePhone gives an account another phone, or none, as [identity.Service.ChangePhone] does, and
// tells the one that the account had and the one that it has. The actor is an operator, who has
// seen that the owner asks for it.
func (s *Service) ChangePhone(ctx context.Context, actor, account, phone, language string) (identity.Account, error) {
	a, former, err := s.c.People.ChangePhone(ctx, actor, account, phone)
	if err != nil || former == a.Phone {
		return a, err
	}
	before := a
	before.Phone = former
	s.c.Notices.Tell(ctx, before, notice.PhoneChanged, "", language, "")
	s.c.Notices.Tell(ctx, a, notice.PhoneBound, "", language, "")
	return a, nil
}
