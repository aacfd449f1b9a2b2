package factor_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/identity/phonecode"
)

// anybody is an IdentityProofer that knows everybody.
type anybody struct{}

func (anybody) Proof(context.Context, identity.Claim) (identity.Proofing, error) {
	return identity.Proofing{Level: 2, Method: "register_match", Source: "样例人口库"}, nil
}

// cheap is the cost of hashes where no password is typed.
var cheap = password.Config{Memory: 8, Time: 1}

// crowd is a world in which each login is another person's, from another address: so no limit is reached.
type crowd struct {
	*identitytest.World
	n int
}

// newCrowd returns an empty crowd; cost is what a hash costs: zero for what it costs in production.
func newCrowd(b *testing.B, cost password.Config) *crowd {
	w := identitytest.NewWorldAt(b, cost)
	return &crowd{World: &identitytest.World{Memory: w.Memory, SMS: w.SMS, Node: w.Open(b, func(c *people.Config) {
		c.Hashing, c.Proofer = cost, anybody{}
	})}}
}

// next registers somebody, and returns them with an address of their own.
func (c *crowd) next(b *testing.B) (identity.Account, netip.Addr) {
	b.Helper()
	c.n++
	a, _, err := c.Register(b.Context(), identity.Registration{
		Name: "样例", Code: party.Code{Type: party.Passport, Value: fmt.Sprintf("E%08d", c.n)}, Phone: fmt.Sprintf("138%08d", c.n), Password: identitytest.Password, Actor: "cli",
	})
	if err != nil {
		b.Fatal(err)
	}
	return a, netip.AddrFrom4([4]byte{10, byte(c.n >> 16), byte(c.n >> 8), byte(c.n)})
}

// BenchmarkLogin logs people in by each factor that suffices alone, and adds each that is a second one. What stands
// around it, sessions and tokens, costs the same for all: see BenchmarkSingleSignOn. Run it with -cpu 1; logins/s is per core.
func BenchmarkLogin(b *testing.B) {
	b.Run("password", func(b *testing.B) { benchPassword(b, password.Config{}) })
	b.Run("password-without-hash", func(b *testing.B) { benchPassword(b, cheap) })
	b.Run("phone", func(b *testing.B) {
		c := newCrowd(b, cheap)
		each(b, func() func() error {
			_, from := c.next(b)
			q := phonecode.Attempt{Phone: fmt.Sprintf("138%08d", c.n), Binding: "browser", Address: from, Language: "zh-CN", RequestID: "r"}
			if _, err := c.Phones.Send(b.Context(), q); err != nil { // it takes a second, whatever it does
				b.Fatal(err)
			}
			return func() error {
				_, err := c.Phones.Check(b.Context(), q, c.SMS.Last(b).Code)
				asks, ok := errors.AsType[*phonecode.Question](err) // the device is unknown: whose phone is it?
				if !ok {
					return fmt.Errorf("no question is asked: %w", err)
				}
				_, err = c.Phones.Identify(b.Context(), q, asks.Token, "样例", fmt.Sprintf("%04d", c.n%10000))
				return err
			}
		})
	})
	b.Run("passkey", func(b *testing.B) {
		c := newCrowd(b, cheap)
		each(b, func() func() error {
			a, from := c.next(b)
			answer := signed(b, c.AddPasskey(b, a), asked(b, c.World, "browser"))
			return func() error {
				_, _, err := c.CheckAlone(b.Context(), factor.Passkey, factor.AloneAttempt{Answer: answer, Binding: "browser", Address: from, RequestID: "r"})
				return err
			}
		})
	})
	second(b, factor.PhoneCode, func(c *crowd, _ identity.Account) func(string) string {
		return func(string) string { return c.SMS.Last(b).Code }
	})
	second(b, factor.TOTP, func(c *crowd, a identity.Account) func(string) string {
		o := ownerOf(a)
		setup, err := c.Authenticators.Prepare(b.Context(), o)
		if err == nil {
			err = c.Authenticators.Add(b.Context(), o, setup.Token, "我的手机", identitytest.AppCode(b, setup.URI))
		}
		if err != nil {
			b.Fatal(err)
		}
		key, err := otp.NewKeyFromURL(setup.URI)
		if err != nil {
			b.Fatal(err)
		}
		code, err := totp.GenerateCode(key.Secret(), time.Now().Add(30*time.Second)) // the present one was just taken
		if err != nil {
			b.Fatal(err)
		}
		return func(string) string { return code }
	})
	second(b, factor.RecoveryCode, func(c *crowd, a identity.Account) func(string) string {
		codes := c.MakeCodes(b, a)
		return func(string) string { return codes[0] }
	})
	second(b, factor.Passkey, func(c *crowd, a identity.Account) func(string) string {
		device := c.AddPasskey(b, a)
		return func(options string) string { return signed(b, device, options) }
	})
}

// each times what login returns, and not login itself.
func each(b *testing.B, login func() func() error) {
	for b.Loop() {
		b.StopTimer()
		do := login()
		b.StartTimer()
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "logins/s")
}

func benchPassword(b *testing.B, cost password.Config) {
	c := newCrowd(b, cost)
	each(b, func() func() error {
		_, from := c.next(b)
		q := identitytest.Attempt(fmt.Sprintf("138%08d", c.n), identitytest.Password)
		q.Address = from
		return func() error {
			_, err := c.CheckPassword(b.Context(), q)
			return err
		}
	})
}

// second benchmarks a factor that is proved after another one.
func second(b *testing.B, n factor.Name, with func(*crowd, identity.Account) (answer func(options string) string)) {
	b.Run("second-"+string(n), func(b *testing.B) {
		c := newCrowd(b, cheap)
		each(b, func() func() error {
			a, from := c.next(b)
			answer := with(c, a)
			l := factor.Login{Account: a.ID, Binding: "session", Address: from, Language: "zh-CN", RequestID: "r"}
			return func() error {
				begun, err := c.Begin(b.Context(), n, l)
				if err != nil {
					return err
				}
				_, err = c.Finish(b.Context(), n, l, answer(begun.Options))
				return err
			}
		})
	})
}
