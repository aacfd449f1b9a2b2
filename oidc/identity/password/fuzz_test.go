package password_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/password"
)

// FuzzTicket reads what may stand behind the # of a setup link.
func FuzzTicket(f *testing.F) {
	good := identity.NewID() + "." + base64.RawURLEncoding.EncodeToString(make([]byte, password.TicketSecret))
	for _, s := range []string{good, good + "=", good[:60], "", ".", strings.ReplaceAll(good, ".", "..")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ticket string) {
		account, _, ok := password.ParseTicket(ticket)
		if ok != (identity.ValidID(account) && len(ticket) == len(good)) {
			t.Errorf("%q is of %q, %v", ticket, account, ok)
		}
	})
}

// FuzzPassword checks passwords that somebody may choose: whatever it is, there
// is an answer, and a good one is hashed as it was checked.
func FuzzPassword(f *testing.F) {
	for _, s := range []string{"1qaz2wsx", "woaini1314", identitytest.Password, strings.Repeat("竹", 128), "\xff", "ﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺ", "a\x00b"} {
		f.Add(s)
	}
	a := identity.Account{LoginName: "xiaoyan", Phone: "+8613800138000"}
	p := identity.Party{Name: "张小䶮", Codes: []identity.PartyCode{{Code: identitytest.ZhangCode}}}
	f.Fuzz(func(t *testing.T, typed string) {
		err := password.Check(typed, a, p)
		if err != nil {
			if e, ok := errors.AsType[*identity.Error](err); !ok || strings.Contains(e.Error(), typed) && len(typed) > 10 {
				t.Errorf("%q: %v", typed, err)
			}
			return
		}
		normal, ok := password.Normal(typed)
		again, _ := password.Normal(normal)
		if !ok || again != normal || utf8.RuneCountInString(normal) < password.MinPassword || utf8.RuneCountInString(normal) > password.MaxPassword {
			t.Errorf("%q is taken as %q", typed, normal)
		}
	})
}
