package factor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// RecoveryCode is one of the codes that somebody wrote down for the day on which they have none of their
// devices (a look-up secret, NIST SP 800-63B-4 section 3.1.2). Each passes once.
const RecoveryCode Name = "recovery"

// byRecovery counts as held: whoever has the sheet of paper has it. RFC 8176 has no name for it.
var byRecovery = Definition{
	Name: RecoveryCode, Methods: []string{"recovery_code"}, Kind: Held, Strength: oneFactor,
	Tries:  map[journal.Action]string{journal.ActionRecoveryCheck: "recovery"},
	prover: func(t *tools) Factor { return &recoveryCodes{t} },
}

// ofRecovery limits wrong recovery codes of an account.
var ofRecovery = []tries.Limit{{Name: "recovery", Most: 10, Window: time.Hour}}

const (
	recoveryMost   = 10 // codes that are made at a time
	recoveryLength = 10 // characters of one: 50 bits
)

// recoveryAlphabet is Crockford's base 32: no I, L, O, U to be misread.
const recoveryAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// domainRecovery is the domain of recovery codes' MACs. It is stored, in effect: never change it.
const domainRecovery = "account.recovery"

// RecoveryCodes is what [identity.Authenticator].Data holds of them: those that are left.
type RecoveryCodes struct {
	Left []recoverySum `json:"left"`
}

// CodesLeft returns how many codes an authenticator has that weren't used; 0 if it has none.
func CodesLeft(x identity.Authenticator) int {
	var kept RecoveryCodes
	if json.Unmarshal(x.Data, &kept) != nil {
		return 0
	}
	return len(kept.Left)
}

// recoverySum is the MAC of a code.
type recoverySum struct {
	Serial int32  `json:"serial"` // of the key
	Sum    []byte `json:"sum"`
}

// ofChanges limits changes of an account's authenticators, for each tells the owner by a message.
var ofChanges = tries.Limit{Name: "authenticators", Most: 10, Window: time.Hour}

// CountChange counts a change of an account's authenticators, of which its owner is told. *Error:
// too_many_tries (Retry is set), unavailable.
func (s *Service) CountChange(ctx context.Context, account string) error {
	c, err := s.passwords.Count(ctx, ofChanges, time.Now(), account)
	if err != nil {
		return err
	}
	if c.Over() {
		return tries.TooMany(c)
	}
	return nil
}

// NewRecoveryCodes returns ten codes for an account, as its owner is shown them, such as
// 4T9KX-0M2QA, and what is to be kept of them.
func (s *Service) NewRecoveryCodes(ctx context.Context, account string) (codes []string, kept RecoveryCodes, err error) {
	for range recoveryMost {
		random := make([]byte, recoveryLength)
		_, _ = rand.Read(random) // never fails
		for i, b := range random {
			random[i] = recoveryAlphabet[int(b)%len(recoveryAlphabet)] // 256 is a multiple of 32
		}
		mac, err := s.passwords.Vault.MAC(ctx, domainRecovery, account, string(random))
		if err != nil {
			return nil, RecoveryCodes{}, fmt.Errorf("making recovery codes: %w", err)
		}
		kept.Left = append(kept.Left, recoverySum{mac.Serial, mac.Sum[:]})
		codes = append(codes, string(random[:recoveryLength/2])+"-"+string(random[recoveryLength/2:]))
	}
	return codes, kept, nil
}

// recoveryCodes proves that somebody has a recovery code of the account's.
type recoveryCodes struct{ *tools }

// Begin implements [Factor]: there is nothing to begin.
func (p *recoveryCodes) Begin(context.Context, Login) (Begun, error) { return Begun{}, nil }

// Finish implements [Factor]: it uses up one of the account's codes, and tells its owner. With
// the last one the authenticator goes. *Error: code_wrong; too_many_tries after ten wrong ones
// in an hour (Retry is set); login_refused for a disabled account; unavailable.
func (p *recoveryCodes) Finish(ctx context.Context, l Login, code string) (Proof, error) {
	var account identity.Account
	err := p.spend(ctx, ofRecovery, l.Account, func(a *identity.Account) error {
		account = *a
		return p.take(ctx, a, foldRecovery(code))
	})
	if err := p.proved(ctx, l, journal.ActionRecoveryCheck, err); err != nil {
		return Proof{}, err
	}
	p.Notices.Tell(ctx, account, notice.RecoveryCodeUsed, "", l.Language, l.RequestID)
	return Proof{Factor: RecoveryCode}, nil
}

// take takes a code out of the account.
func (p *recoveryCodes) take(ctx context.Context, a *identity.Account, code string) error {
	for i := range a.Authenticators {
		x := &a.Authenticators[i]
		if x.Factor != string(RecoveryCode) {
			continue
		}
		var kept RecoveryCodes
		if err := json.Unmarshal(x.Data, &kept); err != nil {
			return fmt.Errorf("authenticator %s: %w", x.ID, err)
		}
		at, err := p.find(ctx, kept.Left, a.ID, code)
		if err != nil {
			return err
		}
		if at < 0 {
			continue
		}
		if kept.Left = slices.Delete(kept.Left, at, at+1); len(kept.Left) == 0 {
			a.Authenticators = slices.Delete(a.Authenticators, i, i+1)
			return nil
		}
		x.Data, err = json.Marshal(kept)
		return err
	}
	return wrongCode("The recovery code is wrong, or was used before.")
}

// find returns where a code is among those that are left, or -1. It looks at all of them.
func (p *recoveryCodes) find(ctx context.Context, left []recoverySum, account, code string) (at int, err error) {
	at = -1
	for i, s := range left {
		mac := signing.Lookup{Serial: s.Serial}
		copy(mac.Sum[:], s.Sum)
		right, err := p.Vault.CheckMAC(ctx, mac, domainRecovery, account, code)
		if errors.Is(err, signing.ErrNoKey) { // it was revoked, and its codes with it
			continue
		}
		if err != nil {
			return -1, err
		}
		if right {
			at = i
		}
	}
	return at, nil
}

// foldRecovery returns a code as it was made: people type lower case, full width, spaces and
// hyphens, and read 0 as O, 1 as I or L.
func foldRecovery(code string) string {
	if len(code) > 128 {
		return ""
	}
	return strings.NewReplacer("-", "", "O", "0", "I", "1", "L", "1").Replace(party.FoldPrinted(code))
}
