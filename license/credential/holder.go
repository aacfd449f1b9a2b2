package credential

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/signing/sdjwt"
)

// Binding is what a verifier asked for when a license was released to it: the audience, which is its client id,
// and the nonce that it sent. The zero Binding is for a verifier that asked for none.
type Binding struct {
	Audience string
	Nonce    string
	MaxAge   time.Duration // since the release; default 5 minutes
}

// holder checks the key binding. If the verifier asked for one, it must be as asked for. If not, holder only
// checks that the presentation key signed it over what is shown here.
func (c *verification) holder(ctx context.Context) {
	asked := c.binding.Audience != "" || c.binding.Nonce != ""
	switch {
	case c.token.KeyBinding == "" && asked:
		c.set(CheckHolder, Fail, "binding_missing")
		return
	case c.token.KeyBinding == "":
		c.set(CheckHolder, Skipped, "no_key_binding")
		return
	case c.resolved == nil:
		return
	}
	var err error
	if asked {
		err = c.token.CheckBinding(ctx, c.resolved.Claims, sdjwt.Binding{
			Audience: c.binding.Audience, Nonce: c.binding.Nonce, MaxAge: c.binding.MaxAge, Now: c.at,
		}, c.v.Signatures)
	} else {
		err = c.token.CheckBindingSignature(ctx, c.resolved.Claims, c.v.Signatures)
	}
	refused, isRefusal := errors.AsType[*sdjwt.Error](err)
	switch {
	case isRefusal:
		c.set(CheckHolder, Fail, string(refused.Reason))
	case err != nil:
		c.set(CheckHolder, Unknown, "undecided")
	case asked:
		c.set(CheckHolder, Pass, "key_binding_valid")
	default:
		c.set(CheckHolder, Skipped, "key_binding_not_checked")
	}
}
