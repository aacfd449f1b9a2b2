package party

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseName(t *testing.T) {
	for _, tt := range []struct{ name, in, want, reason string }{
		{"plain", " 样例张三　", "样例张三", ""},
		{"rare characters", "䶮㛃𣲗𬱖", "䶮㛃𣲗𬱖", ""},
		{"private use", "\ue863", "\ue863", ""},
		{"newer than this program", "\U000323b0", "\U000323b0", ""},
		{"minority", "买买提·艾力", "买买提·艾力", ""},
		{"variation selector", "葛\U000e0100", "葛\U000e0100", ""},
		{"joiner", "می\u200cخواهم", "می\u200cخواهم", ""},
		{"spaces inside stay", "John  Smith", "John  Smith", ""},
		{"200", strings.Repeat("𬱖", 200), strings.Repeat("𬱖", 200), ""},
		{"201", strings.Repeat("𬱖", 201), "", "name_length"},
		{"huge", strings.Repeat("a", 1<<20), "", "name_length"},
		{"empty", "", "", "name_empty"},
		{"spaces", " 　\t", "", "name_empty"},
		{"joiners alone", "\u200c\u200d", "", "name_empty"},
		{"not UTF-8", "张\xff", "", "name_encoding"},
		{"lost character", "张\ufffd", "", "name_character"},
		{"null", "张\x00三", "", "name_character"},
		{"line", "张\n三", "", "name_character"},
		{"line separator", "张\u2028三", "", "name_character"},
		{"text direction", "张\u202e三", "", "name_character"},
		{"noncharacter", "张\uffff", "", "name_character"},
		{"tag", "张\U000e0041", "", "name_character"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseName(tt.in)
			if got != tt.want || reasonOf(err) != tt.reason {
				t.Errorf("got %q, %q; want %q, %q", got, reasonOf(err), tt.want, tt.reason)
			}
		})
	}
}

func TestNameKeySame(t *testing.T) {
	for _, names := range [][]string{
		{"买买提·艾力", "买买提•艾力", "买买提・艾力", "买买提‧艾力", "买买提∙艾力", "买买提．艾力", "买买提.艾力", "买买提･艾力", "买买提 · 艾力"},
		{"张三", "张　三", " 张  三 ", "张\u200b三"},
		{"John Smith", "JOHN  SMITH", "Ｊｏｈｎ　Ｓｍｉｔｈ", "john smith "},
		{"José", "Jose\u0301", "JOSÉ"},
		{"王䶮", "王\ue863"},
		{"李山", "李\u2f2d"},                             // a Kangxi radical
		{"葛", "葛\U000e0100"},                          // a shape of the same ideograph
		{"青禾（样例）有限公司", "青禾(样例)有限公司"},                  // width of brackets
		{"ΑΛΕΞΗΣ", "Αλεξης", "αλεξησ"},                // final sigma
		{"カ゛", "カ゛"}, {"ｶﾞｶﾞ", "ガガ"}, {"\ue816", "𠂇"}, // half width, composed
	} {
		for _, name := range names[1:] {
			if a, b := NameKey(names[0]), NameKey(name); a != b {
				t.Errorf("%q has %q, %q has %q", names[0], a, name, b)
			}
		}
	}
}

func TestNameKeyDiffers(t *testing.T) {
	for _, names := range [][]string{
		{"郎", "\uf92c", "郞"}, // GBK tells all three apart
		{"凉", "\uf979", "涼"},
		{"兀", "\ufa0c"},
		{"年", "秊", "\uf995"},
		{"䶮", "龑", "\ue864"},
		{"㛃", "洁", "絜"},
		{"𣲗", "㳺"},
		{"𬱖", "頔", "𩑹"},
		{"\ue000", "\ue001", "\uf8ff", "\U000f0000"}, // each system's own
		{"張三", "张三"},
		{"买买提艾力", "买买提·艾力"},
		{"John Smith", "JohnSmith"},
		{"㊣", "正"},
	} {
		seen := map[string]string{}
		for _, name := range names {
			k := NameKey(name)
			if k == "" || seen[k] != "" {
				t.Errorf("%q and %q have the same key %q", name, seen[k], k)
			}
			seen[k] = name
		}
	}
	for _, name := range []string{"䶮", "㛃", "𣲗", "𬱖", "\ue000", "\uf92c", "\ufa0e", "\U0002f800"} {
		if NameKey(name) != name {
			t.Errorf("%q became %q", name, NameKey(name))
		}
	}
}

func TestGBKPrivate(t *testing.T) {
	if len(gbkPrivate) != 80 {
		t.Fatalf("%d characters, GBK's rows have 80", len(gbkPrivate))
	}
	seen := map[rune]bool{}
	for i, r := range gbkPrivate {
		if seen[r] || r >= 0xe000 && r <= 0xf8ff {
			t.Errorf("U+%04X becomes U+%04X", firstPrivate+i, r)
		}
		seen[r] = true
	}
	if gbkPrivate[0xe863-firstPrivate] != '䶮' {
		t.Error("U+E863 isn't 䶮")
	}
}

func TestMaskName(t *testing.T) {
	for in, want := range map[string]string{
		"张三":               "*三",
		"张小䶮":              "**䶮",
		"欧阳样例":             "***例",
		"买买提·艾力":           "***·*力",
		"John Smith":       "J*** S****",
		"Bo":               "B*",
		"王":                "*",
		"":                 "",
		"李葛\U000e0100":     "*葛\U000e0100",
		"李葛\U000e0100三":    "**三",
		"𣲗𬱖":               "*𬱖",
		"张Tom":             "***m",
		"A 三":              "* 三",
		"\ue000\ue863":     "*\ue863",
		"Jose\u0301 Marti": "J*** M****",
	} {
		if got := MaskName(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"张 三", "买买提·艾力", "Jose\u0301", "\ue863", "\uf92c\u0301", "ｶﾞ", "e\u200d\u0301", "\xff", "İıſK", "郎Y\u030a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k := NameKey(s)
		if !utf8.ValidString(k) {
			t.Fatalf("the key %q isn't UTF-8", k)
		}
		if again := NameKey(k); again != k {
			t.Fatalf("%q has key %q, which has %q", s, k, again)
		}
		name, err := ParseName(s)
		if err != nil {
			return
		}
		if again, err := ParseName(name); err != nil || again != name {
			t.Fatalf("%q becomes %q, %v", name, again, err)
		}
		if strings.ContainsFunc(name, wide) {
			ideographs := 0
			for _, r := range MaskName(name) {
				if wide(r) {
					ideographs++
				}
			}
			if ideographs > 1 {
				t.Fatalf("%q isn't masked", name)
			}
		}
	})
}
