package identity

import (
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
		all := ReadLogin(typed)
		if len(all) == 0 || len(all) > 3 {
			t.Fatalf("%q reads as %v", typed, all)
		}
		for _, l := range all {
			if !utf8.ValidString(l.Value) || (l.Kind == byNothing) != (l.Value == "") {
				t.Errorf("%q reads as %v", typed, l)
			}
			switch l.Kind {
			case byName:
				if again, err := parseLoginName(l.Value); err != nil || again != l.Value {
					t.Errorf("%q is the name %q, and that %q, %v", typed, l.Value, again, err)
				}
				if _, err := ReadPhone(l.Value); err == nil {
					t.Errorf("the name %q is a phone", l.Value)
				}
			case byPhone:
				if again, err := ReadPhone(l.Value); err != nil || again != l.Value || len(l.Value) > 16 {
					t.Errorf("%q is the phone %q, and that %q, %v", typed, l.Value, again, err)
				}
			case byCode:
				if again := foldCode(l.Value); again != l.Value {
					t.Errorf("%q is the code %q, and that %q", typed, l.Value, again)
				}
			}
		}
		if n := len(maskPhone(typed)); n > len(typed) {
			t.Errorf("%q is masked with %d characters", typed, n)
		}
	})
}
