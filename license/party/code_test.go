package party

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func reasonOf(err error) string {
	if e, ok := errors.AsType[*CodeError](err); ok {
		return e.Reason
	}
	if e, ok := errors.AsType[*NameError](err); ok {
		return e.Reason
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// withCheck completes a number of 17 characters, so that tests of other rules
// don't fail by the check digit. It computes modulo 11 the other way round: as
// powers of two from the right, which GB 11643's weights are.
func withCheck(digits string) string {
	sum := 0
	for _, d := range digits {
		sum = (sum + int(d-'0')) * 2 % 11
	}
	return digits + string("0123456789X"[(12-sum)%11])
}

func TestParseCode(t *testing.T) {
	for _, tt := range []struct {
		name   string
		typ    CodeType
		value  string
		want   string
		reason string
	}{
		// The vector of GB 11643-1999, and numbers with all build marks.
		{"citizen", Citizen, "11010519491231002X", "11010519491231002X", ""},
		{"small x", Citizen, "11010519491231002x", "11010519491231002X", ""},
		{"full width", Citizen, "　１１０１０５１９４９１２３１００２ｘ ", "11010519491231002X", ""},
		{"residence permit 81", Citizen, withCheck("81000019800229001"), withCheck("81000019800229001"), ""},
		{"residence permit 82", Citizen, withCheck("82000019990101002"), withCheck("82000019990101002"), ""},
		{"residence permit 83", Citizen, withCheck("83000020001231003"), withCheck("83000020001231003"), ""},
		{"permanent resident", Citizen, withCheck("91115619850606001"), withCheck("91115619850606001"), ""},
		{"leap day", Citizen, withCheck("99000020000229001"), withCheck("99000020000229001"), ""},
		{"wrong check", Citizen, "110105194912310021", "", "code_check_digit"},
		{"digits swapped", Citizen, "11010519491213002X", "", "code_check_digit"},
		{"no such day", Citizen, withCheck("11010519490229001"), "", "code_birth_date"},
		{"month 13", Citizen, withCheck("11010519491301001"), "", "code_birth_date"},
		{"month 0", Citizen, withCheck("11010519490001001"), "", "code_birth_date"},
		{"born 1849", Citizen, withCheck("11010518491231001"), "", "code_birth_date"},
		{"born 1850", Citizen, withCheck("11010518500101001"), withCheck("11010518500101001"), ""},
		{"area 00", Citizen, withCheck("00010519491231001"), "", "code_area"},
		{"old form", Citizen, "110105491231002", "", "code_length"},
		{"too long", Citizen, "11010519491231002X1", "", "code_length"},
		{"letter inside", Citizen, "1101051949123100AX", "", "code_character"},
		{"ideographs", Citizen, strings.Repeat("一", 18), "", "code_character"},
		{"ideographs of 18 bytes", Citizen, strings.Repeat("一", 6), "", "code_length"},
		{"empty", Citizen, " \t　", "", "code_empty"},
		{"not UTF-8", Citizen, "11010519491231002\xff", "", "code_character"},
		{"huge", Citizen, strings.Repeat("1", 1<<20), "", "code_length"},

		{"uscc", SocialCredit, "91350100M000100Y43", "91350100M000100Y43", ""},
		{"uscc small", SocialCredit, " 91350100m000100y43", "91350100M000100Y43", ""},
		{"uscc check", SocialCredit, "91350100M000100Y44", "", "code_check_digit"},
		{"uscc letter I", SocialCredit, "91350100I000100Y43", "", "code_character"},
		{"uscc letter O", SocialCredit, "9135O100M000100Y43", "", "code_character"},
		{"uscc long s", SocialCredit, "91350100M000100Y4ſ", "", "code_length"},
		{"uscc short", SocialCredit, "350100", "", "code_length"},

		{"passport", Passport, "e12345678", "E12345678", ""},
		{"officer", MilitaryOfficer, "军字第１２３４５６７号", "军字第1234567号", ""},
		{"other", OtherPerson, strings.Repeat("號", 64), strings.Repeat("號", 64), ""},
		{"other too long", OtherPerson, strings.Repeat("號", 65), "", "code_length"},
		{"control character", Passport, "E1234\x005678", "", "code_character"},
		{"line break", OtherOrganization, "A\nB", "", "code_character"},
		{"text direction", OtherOrganization, "A\u202eB", "", "code_character"},
		{"replacement", OtherOrganization, "A\ufffdB", "", "code_character"},

		{"unknown type", "112", "1", "", "code_type_unknown"},
		{"no type", "", "1", "", "code_type_unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ParseCode(tt.typ, tt.value)
			if got := reasonOf(err); got != tt.reason || c.Value != tt.want {
				t.Fatalf("got %q, %q; want %q, %q", c.Value, got, tt.want, tt.reason)
			}
			if err != nil && len(tt.value) > 2 && strings.Contains(err.Error(), tt.value) {
				t.Errorf("the error %q echoes the value", err)
			}
			if err != nil {
				return
			}
			if again, err := ParseCode(c.Type, c.Value); err != nil || again != c {
				t.Errorf("parsing again: %v, %v", again, err)
			}
		})
	}
}

// Vectors of deployed systems, among them the example of GB 32100-2015.
func TestUSCC(t *testing.T) {
	for _, s := range []string{"91350100M000100Y43", "11430000006122244L", "11100000000013338W", "11110000000021135M"} {
		u, err := ParseUSCC(s)
		if err != nil || string(u) != s || !u.Valid() || u.Code() != (Code{SocialCredit, s}) {
			t.Errorf("%s: %q, %v", s, u, err)
		}
		for i := range len(s) { // the check finds every single wrong character
			for _, c := range usccAlphabet {
				if wrong := s[:i] + string(c) + s[i+1:]; wrong != s && USCC(wrong).Valid() {
					t.Errorf("%s passes for %s", wrong, s)
				}
			}
		}
	}
	if USCC("91350100m000100y43").Valid() {
		t.Error("small letters are valid without being parsed")
	}
}

func TestCitizenCheckFindsEverySingleError(t *testing.T) {
	const s = "11010519491231002X"
	for i := range len(s) {
		for _, c := range "0123456789X" {
			if wrong := s[:i] + string(c) + s[i+1:]; wrong != s && checkCitizen(wrong) == "" {
				t.Errorf("%s passes for %s", wrong, s)
			}
		}
	}
}

func TestBirthDate(t *testing.T) {
	d, ok := Code{Citizen, "11010519491231002X"}.BirthDate()
	if !ok || d.String() != "1949-12-31" {
		t.Errorf("got %v, %v", d, ok)
	}
	for _, c := range []Code{{}, {Passport, "11010519491231002X"}, {Citizen, "110105194912310021"}, {Citizen, ""}} {
		if d, ok := c.BirthDate(); ok || !d.IsZero() {
			t.Errorf("a birth date %v from %v", d, c)
		}
	}
}

func TestCodeType(t *testing.T) {
	known := 0
	for n := range 1000 {
		c := CodeType(fmt.Sprintf("%03d", n))
		if c.Known() {
			known++
		}
		want := Class("")
		if c == "001" || c == "099" {
			want = Organization
		} else if c.Known() {
			want = Person
		}
		if c.Class() != want || c.Known() != (c.Name() != "") {
			t.Errorf("%s: class %q, name %q", c, c.Class(), c.Name())
		}
	}
	if known != 16 {
		t.Errorf("%d types are known, GB/T 36903 as deployed has 16", known)
	}
}

func TestMask(t *testing.T) {
	for _, tt := range []struct{ typ, value, want string }{
		{"111", "11010519491231002X", "1101**********002X"},
		{"001", "91350100M000100Y43", "91350100M000100Y43"},
		{"414", "E12345678", "E1*****78"},
		{"999", "ABCD", "A**D"},
		{"999", "ABC", "***"},
		{"999", "", ""},
		{"114", "军字第1234567号", "军字*******7号"},
		{"111", "1234", "1**4"}, // not a number, but nothing more shows
	} {
		c := Code{CodeType(tt.typ), tt.value}
		if got := c.Mask(); got != tt.want {
			t.Errorf("%s %s: got %s, want %s", tt.typ, tt.value, got, tt.want)
		}
	}
}

func TestCodePrintsMasked(t *testing.T) {
	c := Code{Citizen, "11010519491231002X"}
	for _, s := range []string{fmt.Sprint(c), fmt.Sprintf("%v %+v", c, []Code{c}), c.LogValue().String()} {
		if strings.Contains(s, "19491231") {
			t.Errorf("%q shows the number", s)
		}
	}
	b, err := json.Marshal(c)
	if err != nil || string(b) != `{"type":"111","value":"11010519491231002X"}` {
		t.Errorf("JSON %s, %v", b, err)
	}
}

func TestContainsCitizenNumber(t *testing.T) {
	for s, want := range map[string]bool{
		"11010519491231002X": true,
		"11010519491231002x": true,
		"１１０１０５１９４９１２３１００２Ｘ": true,
		"A11010519491231002XB":                      true,
		"00011010519491231002X":                     true, // after other digits
		"2024" + "11010519491231002X":               true,
		withCheck("81000019800229001") + "0001":     true, // before other digits
		"9" + withCheck("32050119990101123") + "77": true,
		"ZZ110105491231002":                         true, // the old form
		"110105491231002":                           true,
		"110105491231002Z":                          true,
		"110105491331002":                           false, // no month 13
		"990105491231002":                           false, // no such province
		"2024110105491231002":                       false, // the old form isn't sought in longer rows
		"110105194912310021":                        false, // wrong check digit
		"11010519490229002X":                        false,
		"1101051949123100 2X":                       false,
		"20230000403":                               false,
		"209FA4E88F9E4C878F3E9BED2CE7":              false,
		"000000016":                                 false,
		"":                                          false,
		"XXXXXXXXXXXXXXXXXXXX":                      false,
		"20250101000000012345":                      false,
	} {
		if got := ContainsCitizenNumber(s); got != want {
			t.Errorf("%q: got %v", s, got)
		}
	}
}

// Ordinary serials must not be refused often.
func TestContainsCitizenNumberInSerials(t *testing.T) {
	found := 0
	for n := range 20000 {
		if ContainsCitizenNumber(fmt.Sprintf("202511%014d", n*7919)) {
			found++
		}
	}
	if found > 20 {
		t.Errorf("%d of 20,000 serials of 20 digits seem to hold a number", found)
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add("111", "11010519491231002x")
	f.Add("001", "９1350100M000100Y43")
	f.Add("414", " E1\u202e ")
	f.Fuzz(func(t *testing.T, typ, value string) {
		c, err := ParseCode(CodeType(typ), value)
		if err != nil {
			if reasonOf(err) == err.Error() {
				t.Fatalf("an error without reason: %v", err)
			}
			return
		}
		if again, err := ParseCode(c.Type, c.Value); err != nil || again != c {
			t.Fatalf("not in its one form: %q, then %q, %v", c.Value, again.Value, err)
		}
		if c.Type == Citizen && !ContainsCitizenNumber("A"+c.Value+"9") {
			t.Fatalf("%q isn't found", c.Value)
		}
		_ = c.Mask()
		_, _ = c.BirthDate()
	})
}

func BenchmarkParseCode(b *testing.B) {
	for b.Loop() {
		if _, err := ParseCode(Citizen, "11010519491231002X"); err != nil {
			b.Fatal(err)
		}
	}
}

// What is made is a code, whose organization's part has its own check character.
func TestMakeUSCC(t *testing.T) {
	seen := map[USCC]bool{}
	for range 200 {
		code, err := MakeUSCC("11990100")
		if err != nil || !code.Valid() || code[:8] != "11990100" {
			t.Fatal(code, err)
		}
		seen[code] = true
		sum := 0
		for i, weight := range []int{3, 7, 9, 10, 5, 8, 4, 2} {
			sum += weight * int(code[8+i]-'0')
		}
		check := map[int]byte{10: 'X', 11: '0'}[11-sum%11]
		if check == 0 {
			check = byte('0' + 11 - sum%11)
		}
		if code[16] != check {
			t.Errorf("%s: the organization's check character is not %c", code, check)
		}
	}
	if len(seen) < 190 {
		t.Errorf("%d different codes", len(seen))
	}
	for _, wrong := range []string{"", "1199010", "1I990100", "119901000"} {
		if code, err := MakeUSCC(wrong); err == nil {
			t.Errorf("%q gives %s", wrong, code)
		}
	}
}
