package factor

import (
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Password is what a person chose and remembers.
const Password Name = "pwd"

// password is the account's own, and not in its list: accounts had one before there were others.
var password = Definition{
	Name: Password, Methods: []string{"pwd"}, Kind: Known, Strength: oneFactor,
	Of: func(a identity.Account) []identity.Authenticator {
		if a.Password.IsZero() {
			return nil
		}
		return []identity.Authenticator{{Factor: string(Password), Added: a.Password.Set}}
	},
	Tries: map[journal.Action]string{
		journal.ActionLogin: "password", journal.ActionLoginConfirm: "confirm", journal.ActionLoginChallenge: "challenge",
	},
}
