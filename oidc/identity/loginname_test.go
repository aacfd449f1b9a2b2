package identity

import (
	"strings"
	"testing"
)

func TestParseLoginName(t *testing.T) {
	for typed, want := range map[string]string{
		"Zhang.San": "zhang.san", " ａｂｃ ": "abc", "张三丰": "张三丰", "zhang_san-01@example": "zhang_san-01@example", "wang12": "wang12", "zhangwei1990": "zhangwei1990",
		"Straße": "straße", "ΣΊΣΥΦΟΣ": "σίσυφοσ", strings.Repeat("x", 64): strings.Repeat("x", 64),
	} {
		if got, err := parseLoginName(typed); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", typed, got, err, want)
		}
	}
	for _, typed := range []string{
		"", "ab", "张三", strings.Repeat("x", 65), strings.Repeat("x", 1000), "1abc", ".abc", "13800138000", "+8613800138000", "990101199001010035", "E12345678", "ea1234567", "H12345678A",
		"军字第1234567号", "a b", "a\u200bbc", "abc\x00", "abc\xff", "a/bc", "abc'--", "<abc>", "abc\u202e", "ａ１２３４５６",
	} {
		if got, err := parseLoginName(typed); err == nil {
			t.Errorf("%q is %q", typed, got)
		}
	}
}

func TestParsePhone(t *testing.T) {
	for typed, want := range map[string]string{
		"13800138000": "+8613800138000", "+86 138 0013 8000": "+8613800138000", "0086-13800138000": "+8613800138000", "8613800138000": "+8613800138000",
		"１９９００００００００": "+8619900000000", "+85291234567": "+85291234567", "0085291234567": "+85291234567", "+1 202-555-0100": "+12025550100", "+447700900123": "+447700900123",
	} {
		if got, err := ReadPhone(typed); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", typed, got, err, want)
		}
	}
	for _, typed := range []string{
		"", "12800138000", "1380013800", "138001380000", "010-12345678", "+86 10 12345678", "+86", "+0123456789", "+12345", "+1234567890123456", "91234567", "phone", "+86138x0138000", "\xff", strings.Repeat("1", 1000),
	} {
		if got, err := ReadPhone(typed); err == nil {
			t.Errorf("%q is %q", typed, got)
		}
	}
}

func TestMaskPhone(t *testing.T) {
	for phone, want := range map[string]string{"+8613800138000": "138****8000", "+85291234567": "+85*****4567", "+123456": "*******", "": ""} {
		if got := maskPhone(phone); got != want {
			t.Errorf("%q is %q, want %q", phone, got, want)
		}
	}
}

// One field takes everything: nothing is two persons' by its form alone.
func TestReadLogin(t *testing.T) {
	for typed, want := range map[string]string{
		"13800138000": "phone code", "Zhang.San": "name code", "990101199001010035": "code", "e 12345678": "code", "+85291234567": "phone code", "张三丰": "name code", "a b": "code",
		"": "none", " ": "none", "\xff": "none", strings.Repeat("x", 257): "none",
	} {
		var kinds []string
		for _, l := range ReadLogin(typed) {
			kinds = append(kinds, string(l.Kind))
		}
		if got := strings.Join(kinds, " "); got != want {
			t.Errorf("%q is %q, want %q", typed, got, want)
		}
	}
}
