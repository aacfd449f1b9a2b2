package factor

import (
	"context"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/onetime"
)

// What tests from outside look at.
const (
	CodeLife              = onetime.Life
	CodeAgain             = onetime.Again
	ChallengeTime         = challengeTime
	OneFactor, TwoFactors = oneFactor, twoFactors
)

// KnownDevice returns the id of the device if a cookie makes it one of the account's.
func (s *Service) KnownDevice(ctx context.Context, a identity.Account, cookie string) (string, error) {
	return s.devices.Known(ctx, a, cookie)
}
