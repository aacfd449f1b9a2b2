package factor

import (
	"context"

	"yizheng.internal/oidc/identity"
)

// What tests from outside look at.
const (
	CodeLife              = codeLife
	CodeAgain             = codeAgain
	ChallengeTime         = challengeTime
	OneFactor, TwoFactors = oneFactor, twoFactors
)

var (
	AddressOf      = addressOf
	NetworkOf      = networkOf
	MostOfDevices  = ofDevices.most
	MostOfLoginDay = ofLoginDay.most
	MostOfKnown    = ofKnown.most
)

// KnownDevice returns the id of the device if a cookie makes it one of the account's.
func (s *Service) KnownDevice(ctx context.Context, a identity.Account, cookie string) (string, error) {
	return s.devices.Known(ctx, a, cookie)
}
