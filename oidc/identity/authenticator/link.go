package authenticator

import (
	"context"
	"slices"
	"strings"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/signing/journal"
)

// Link adds what leads to the owner's account by [identity.Authenticator].Link, such as who they are at another
// provider, which is told by its title. One that is there already, and may be over, gives way to it. *Error: authenticator_limit,
// session_over, stronger_login, too_many_tries. identity.ErrExists if it leads to another account.
func (s *Service) Link(ctx context.Context, o Owner, x identity.Authenticator, title string) error {
	if err := s.c.Factors.CountChange(ctx, o.Account); err != nil {
		return err
	}
	account, err := s.changeStrongly(ctx, o, journal.ActionFactorAdd, func(a *identity.Account) error {
		a.Authenticators = slices.DeleteFunc(a.Authenticators, func(y identity.Authenticator) bool { return y.Link == x.Link })
		if err := CheckRoom(a, factor.Name(x.Factor)); err != nil {
			return err
		}
		a.Authenticators = append(a.Authenticators, x)
		a.Unlinked = slices.DeleteFunc(a.Unlinked, func(provider string) bool { return provider == ProviderOf(x) })
		return nil
	})
	if err == nil {
		s.c.Notices.Tell(ctx, account, notice.AuthenticatorAdded, title, o.Language, o.RequestID)
	}
	return err
}

// unlinked notes whose links were removed: a login there doesn't make them again by itself.
func unlinked(a *identity.Account, removed ...identity.Authenticator) {
	for _, x := range removed {
		if p := ProviderOf(x); p != "" && !slices.Contains(a.Unlinked, p) {
			a.Unlinked = append(a.Unlinked, p)
		}
	}
}

// ProviderOf returns the id of the provider of a link, or "" if it is none.
func ProviderOf(x identity.Authenticator) string {
	if x.Factor != string(factor.Upstream) {
		return ""
	}
	provider, _, _ := strings.Cut(x.Link, " ")
	return provider
}
