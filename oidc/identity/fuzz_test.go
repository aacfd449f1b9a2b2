package identity

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzLogin reads whatever may be typed into the login field. What it reads is
// folded for good, and leads where it led before.
func FuzzLogin(f *testing.F) {
	for _, s := range []string{"13800138000", "Zhang.San", "990101199001010035", "e 12345678", "军字第1234567号", "ẞtraße", "ﬁsch", "\u1e97abc", "Ǆabc", "+86 138-0013-8000", "\xff", "ΐΐΐ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		all := readLogin(typed)
		if len(all) == 0 || len(all) > 3 {
			t.Fatalf("%q reads as %v", typed, all)
		}
		for _, l := range all {
			if !utf8.ValidString(l.value) || (l.kind == byNothing) != (l.value == "") {
				t.Errorf("%q reads as %v", typed, l)
			}
			switch l.kind {
			case byName:
				if again, err := ParseLoginName(l.value); err != nil || again != l.value {
					t.Errorf("%q is the name %q, and that %q, %v", typed, l.value, again, err)
				}
				if _, err := ParsePhone(l.value); err == nil {
					t.Errorf("the name %q is a phone", l.value)
				}
			case byPhone:
				if again, err := ParsePhone(l.value); err != nil || again != l.value || len(l.value) > 16 {
					t.Errorf("%q is the phone %q, and that %q, %v", typed, l.value, again, err)
				}
			case byCode:
				if again := foldCode(l.value); again != l.value {
					t.Errorf("%q is the code %q, and that %q", typed, l.value, again)
				}
			}
		}
		if n := len(maskPhone(typed)); n > len(typed) {
			t.Errorf("%q is masked with %d characters", typed, n)
		}
	})
}

// FuzzDevice reads cookies that browsers may send: none makes a device known but
// those that were made for the account.
func FuzzDevice(f *testing.F) {
	w := newWorld(f)
	me := NewID()
	mine, err := w.DeviceToken(f.Context(), Account{ID: me}, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(mine)
	f.Add(mine + "." + mine[:len(mine)-1] + "A")
	f.Add(strings.Repeat("A", len(mine)))
	f.Add("..")
	f.Fuzz(func(t *testing.T, cookie string) {
		device, err := w.knownDevice(t.Context(), Account{ID: me}, cookie)
		if err != nil || device != "" && !strings.Contains(cookie, mine) {
			t.Errorf("%q makes %q, %v", cookie, device, err)
		}
		next, err := w.DeviceToken(t.Context(), Account{ID: me}, cookie)
		if err != nil || len(next) > deviceMost*(len(mine)+1) {
			t.Fatalf("after %q comes %q, %v", cookie, next, err)
		}
		if device, err := w.knownDevice(t.Context(), Account{ID: me}, next); err != nil || device == "" {
			t.Errorf("%q isn't known, %v", next, err)
		}
	})
}

// FuzzTicket reads what may stand behind the # of a setup link.
func FuzzTicket(f *testing.F) {
	good := NewID() + "." + base64.RawURLEncoding.EncodeToString(make([]byte, ticketSecret))
	for _, s := range []string{good, good + "=", good[:60], "", ".", strings.ReplaceAll(good, ".", "..")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ticket string) {
		account, _, ok := parseTicket(ticket)
		if ok != (ValidID(account) && len(ticket) == len(good)) {
			t.Errorf("%q is of %q, %v", ticket, account, ok)
		}
	})
}

// FuzzPassword checks passwords that somebody may choose: whatever it is, there
// is an answer, and a good one is hashed as it was checked.
func FuzzPassword(f *testing.F) {
	for _, s := range []string{"1qaz2wsx", "woaini1314", password, strings.Repeat("竹", 128), "\xff", "ﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺﷺ", "a\x00b"} {
		f.Add(s)
	}
	a := Account{LoginName: "xiaoyan", Phone: "+8613800138000"}
	p := Party{Name: "张小䶮", Codes: []PartyCode{{Code: zhang}}}
	f.Fuzz(func(t *testing.T, password string) {
		err := checkPassword(password, a, p)
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || strings.Contains(e.Error(), password) && len(password) > 10 {
				t.Errorf("%q: %v", password, err)
			}
			return
		}
		normal, ok := normalPassword(password)
		again, _ := normalPassword(normal)
		if !ok || again != normal || utf8.RuneCountInString(normal) < minPassword || utf8.RuneCountInString(normal) > maxPassword {
			t.Errorf("%q is taken as %q", password, normal)
		}
	})
}
