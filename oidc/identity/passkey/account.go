package passkey

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"yizheng.internal/oidc/identity"
)

// Factor is what an account's list of authenticators calls passkeys. Never change it: sealed
// records contain it.
const Factor = "passkey"

// Of returns an account's passkeys.
func Of(a *identity.Account) (all []Passkey) {
	for i := range a.Authenticators {
		if k, err := Open(&a.Authenticators[i]); err == nil {
			all = append(all, k)
		}
	}
	return all
}

var errOther = errors.New("it is another authenticator")

// Open returns the passkey that an authenticator is, or an error if it is another one.
func Open(x *identity.Authenticator) (k Passkey, err error) {
	if x.Factor != Factor {
		return Passkey{}, errOther
	}
	if err := json.Unmarshal(x.Data, &k); err != nil {
		return Passkey{}, fmt.Errorf("authenticator %s: %w", x.ID, err)
	}
	return k, nil
}

// Take checks that one of the account's passkeys signed an assertion, see [Service.Verify], and
// notes its use in the account. Errors: ErrUnknown, ErrRefused, ErrCount.
func (s *Service) Take(a *identity.Account, signed Assertion) error {
	if handle := signed.Handle(); len(handle) > 0 && !bytes.Equal(handle, a.Handle) { // section 7.2 step 6
		return ErrUnknown
	}
	for i := range a.Authenticators {
		x := &a.Authenticators[i]
		k, err := Open(x)
		if errors.Is(err, errOther) || err == nil && !bytes.Equal(k.ID, signed.ID()) {
			continue
		}
		if err != nil {
			return err
		}
		if k, err = s.Verify(signed, k); err != nil {
			return err
		}
		x.Data, err = json.Marshal(k)
		return err
	}
	return ErrUnknown
}
