package factor

import (
	"context"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Password is the factor of a password that a person chose and remembers.
const Password Name = "pwd"

// byPassword defines the password as a factor. It is in a field of the account and not in its
// list of authenticators, because accounts had passwords before there were others.
var byPassword = Definition{
	Name: Password, Methods: []string{"pwd"}, Kind: Known, Strength: oneFactor,
	Of: func(a identity.Account) []identity.Authenticator {
		if a.Password.IsZero() {
			return nil
		}
		return []identity.Authenticator{{Factor: string(Password), Added: a.Password.Set}}
	},
	prover: func(t *tools) Factor { return &passwords{t} },
	Tries: map[journal.Action]string{
		journal.ActionLogin: "password", journal.ActionLoginConfirm: "confirm", journal.ActionLoginChallenge: "challenge",
	},
}

// passwords proves that somebody knows an account's password. If the account is known already, it
// works as a [Factor]; if a login must lead to the account, see [Service.CheckPassword].
type passwords struct{ *tools }

// Begin implements [Factor]: there is nothing to begin.
func (p *passwords) Begin(context.Context, Login) (Begun, error) { return Begun{}, nil }

// Finish implements [Factor]. Tries are counted and limited in the same way as those of a login.
// *Error: wrong_password, too_many_tries, busy, unavailable.
func (p *passwords) Finish(ctx context.Context, l Login, text string) (Proof, error) {
	a, err := p.owner(ctx, Attempt{Password: text, Device: l.Device, Address: l.Address, RequestID: l.RequestID}, l.Account)
	if err := p.proved(ctx, l, journal.ActionLogin, err); err != nil {
		return Proof{}, err
	}
	return PasswordProof(a, time.Now()), nil
}
