package factor

import (
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// PhoneCode is a one-time code that is sent to the account's phone.
const PhoneCode Name = "sms"

// phone is the account's own, and not in its list: accounts had one before there were others.
var phone = Definition{
	Name: PhoneCode, Methods: []string{"sms"}, Kind: Held, Strength: oneFactor, Phone: true,
	Of: func(a identity.Account) []identity.Authenticator {
		if a.Phone == "" {
			return nil
		}
		return []identity.Authenticator{{Factor: string(PhoneCode), Name: a.MaskedPhone()}}
	},
	Tries: map[journal.Action]string{journal.ActionCodeCheck: "code"},
	Sends: journal.ActionCodeSend, Channel: "sms",
}
