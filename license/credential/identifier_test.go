package credential

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"

	"yizheng.internal/license/party"
)

// identifierVectors are identifiers of real deployments. The last one comes from
// a widely copied routine that computes the check character wrongly.
var identifierVectors = []struct {
	text                    string
	typ, authority, serial  string
	version                 int
	check                   byte
	mismatch, areaAuthority bool
}{
	{"1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U", "11100000000013338W011", "11430000006122244L", "20230000403", 1, 'U', false, false},
	{"1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0", "11100000000013338W009", "11330105002500287C", "2025052201", 2, '0', false, false},
	{"1.2.156.3005.2.11100000000013338W032.11220000013544541J.2430599.001.F", "11100000000013338W032", "11220000013544541J", "2430599", 1, 'F', false, false},
	{"1.2.156.3005.2.11100000MB03271699022.340100.000000016.001.9", "11100000MB03271699022", "340100", "000000016", 1, '9', false, true},
	{"1.2.156.3005.2.11100000000013661B006.113700000045046442.209FA4E88F9E4C878F3E9BED2CE7EA49.001.M", "11100000000013661B006", "113700000045046442", "209FA4E88F9E4C878F3E9BED2CE7EA49", 1, 'M', true, false},
}

func identifierReason(err error) string {
	if e, ok := errors.AsType[*IdentifierError](err); ok {
		return e.Reason
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestIdentifierVectors(t *testing.T) {
	for _, v := range identifierVectors {
		t.Run(v.serial, func(t *testing.T) {
			want := IdentifierParts{TypeCode(v.typ), v.authority, v.serial, v.version, v.check, v.mismatch}
			got, err := Identifier(v.text).Parse()
			if err != nil || got != want {
				t.Fatalf("got %+v, %v; want %+v", got, err, want)
			}
			for _, s := range []string{v.text, " " + strings.ToLower(v.text) + "\n", strings.ReplaceAll(v.text, ".", "．")} {
				if id, err := ParseIdentifier(s); err != nil || string(id) != v.text {
					t.Errorf("%q reads as %q, %v", s, id, err)
				}
			}
			made, err := NewIdentifier(TypeCode(v.typ), party.USCC(v.authority), v.serial, v.version)
			switch {
			case v.areaAuthority: // read, never made
				if identifierReason(err) != "identifier_authority" {
					t.Errorf("made %q, %v", made, err)
				}
			case v.mismatch: // the right character, by the standard, is D
				if string(made) != strings.TrimSuffix(v.text, "M")+"D" || err != nil {
					t.Errorf("made %q, %v", made, err)
				}
			case string(made) != v.text || err != nil:
				t.Errorf("made %q, %v", made, err)
			}
		})
	}
}

func TestNewIdentifierRefuses(t *testing.T) {
	const typ, authority = TypeCode("11100000000013338W011"), party.USCC("11430000006122244L")
	for _, tt := range []struct {
		name      string
		typ       TypeCode
		authority party.USCC
		serial    string
		version   int
		reason    string
	}{
		{"good", typ, authority, "1", 999, ""},
		{"serial of 64", typ, authority, strings.Repeat("Z", 64), 1, ""},
		{"serial of 65", typ, authority, strings.Repeat("Z", 65), 1, "identifier_serial"},
		{"no serial", typ, authority, "", 1, "identifier_serial"},
		{"small letters", typ, authority, "abc", 1, "identifier_serial"},
		{"dot", typ, authority, "1.2", 1, "identifier_serial"},
		{"full width", typ, authority, "１", 1, "identifier_serial"},
		{"citizen number", typ, authority, "A11010519491231002X", 1, "serial_citizen_number"},
		{"old citizen number", typ, authority, "110105491231002", 1, "serial_citizen_number"},
		{"version 0", typ, authority, "1", 0, "identifier_version"},
		{"version 1000", typ, authority, "1", 1000, "identifier_version"},
		{"negative version", typ, authority, "1", -1, "identifier_version"},
		{"area code", typ, "340100", "1", 1, "identifier_authority"},
		{"wrong check in authority", typ, "11430000006122244M", "1", 1, "identifier_authority"},
		{"no type", "", authority, "1", 1, "identifier_type"},
		{"type without sequence", "11100000000013338W", authority, "1", 1, "identifier_type"},
		{"type with letters", "11100000000013338W01A", authority, "1", 1, "identifier_type"},
		{"wrong check in type", "11100000000013338X011", authority, "1", 1, "identifier_type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := NewIdentifier(tt.typ, tt.authority, tt.serial, tt.version)
			if identifierReason(err) != tt.reason || (err == nil) != (id != "") {
				t.Errorf("got %q, %v; want %q", id, err, tt.reason)
			}
		})
	}
}

func TestParseIdentifierRefuses(t *testing.T) {
	good := identifierVectors[0].text
	for s, reason := range map[string]string{
		"":       "identifier_root",
		"1.2.3.": "identifier_root",
		"1.2.156.3005.3" + strings.TrimPrefix(good, "1.2.156.3005.2"):               "identifier_root",
		"1.2.156.3005.2.11100000000013338W011":                                      "identifier_form",
		good + ".1":                                                                 "identifier_form",
		strings.TrimSuffix(good, ".U"):                                              "identifier_form",
		strings.Replace(good, "13338W", "13338X", 1):                                "identifier_type",
		strings.Replace(good, "11430000006122244L", "114300", 1):                    "",
		strings.Replace(good, "11430000006122244L", "1143", 1):                      "identifier_authority",
		strings.Replace(good, "11430000006122244L", "", 1):                          "identifier_authority",
		strings.Replace(good, "20230000403", "2023-403", 1):                         "identifier_serial",
		strings.Replace(good, "20230000403", "", 1):                                 "identifier_serial",
		strings.Replace(good, ".001.", ".000.", 1):                                  "identifier_version",
		strings.Replace(good, ".001.", ".01.", 1):                                   "identifier_version",
		strings.Replace(good, ".001.", ".0001.", 1):                                 "identifier_version",
		strings.TrimSuffix(good, "U"):                                               "identifier_check",
		strings.TrimSuffix(good, "U") + "UU":                                        "identifier_check",
		strings.TrimSuffix(good, "U") + "*":                                         "identifier_check",
		strings.TrimSuffix(good, "U") + "ſ":                                         "identifier_check", // not an S
		good + strings.Repeat(" ", 1000):                                            "identifier_length",
		strings.Replace(good, "20230000403", strings.Repeat("1", 65), 1):            "identifier_length",
		strings.Replace(good, "11430000006122244L.20230000403", "1.1143000000", 1):  "identifier_authority",
		strings.Replace(good, "20230000403", "2023\x000403", 1):                     "identifier_serial",
		"1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001\n": "identifier_form",
	} {
		id, err := ParseIdentifier(s)
		if identifierReason(err) != reason || (err == nil) != (id != "") {
			t.Errorf("%q: got %q, %v; want %q", s, id, err, reason)
		}
	}
}

func TestIdentifierPrivate(t *testing.T) {
	s := strings.Replace(identifierVectors[0].text, "20230000403", "11010519491231002X", 1)
	id, err := ParseIdentifier(s)
	if err != nil {
		t.Fatal(err)
	}
	p, err := id.Parse()
	if err != nil || !p.Private() {
		t.Errorf("%+v, %v", p, err)
	}
	for _, v := range identifierVectors {
		if p, err := Identifier(v.text).Parse(); err != nil || p.Private() {
			t.Errorf("%s: %+v, %v", v.text, p, err)
		}
	}
}

// ISO/IEC 7064 MOD 37,36 finds every single wrong character, and nearly all
// neighbors in the wrong order.
func TestIdentifierCheckFindsErrors(t *testing.T) {
	const serial = "A1B2C3D4E5F6G7H8I9J0KLMNOPQRSTUVWXYZ"
	right, missed := checkCharacter(serial), 0
	for i := range len(serial) {
		for j := range len(serialAlphabet) {
			if wrong := serial[:i] + serialAlphabet[j:j+1] + serial[i+1:]; wrong != serial && checkCharacter(wrong) == right {
				t.Errorf("%s isn't found", wrong)
			}
		}
		if i > 0 {
			if wrong := serial[:i-1] + serial[i:i+1] + serial[i-1:i] + serial[i+1:]; checkCharacter(wrong) == right {
				missed++
			}
		}
	}
	if missed > 2 {
		t.Errorf("%d of %d exchanges aren't found", missed, len(serial)-1)
	}
}

func TestParseTypeCode(t *testing.T) {
	c, err := ParseTypeCode("11100000MB03271699001")
	if err != nil || c.Definer() != "11100000MB03271699" {
		t.Errorf("%q, %v", c.Definer(), err)
	}
	for _, s := range []string{"", "11100000mb03271699001", " 11100000MB03271699001", "11100000MB0327169900１", "11100000MB03271699", "11100000MB03271698001"} {
		if c, err := ParseTypeCode(s); identifierReason(err) != "identifier_type" || c != "" {
			t.Errorf("%q: %q, %v", s, c, err)
		}
	}
	if TypeCode("1").Definer() != "" {
		t.Error("a short code has a definer")
	}
}

func TestRandomSerial(t *testing.T) {
	const n = 5000
	var count [256]int
	seen := map[string]bool{}
	for range n {
		s, err := RandomSerial(rand.Reader)
		if err != nil || len(s) != 20 || !validSerial(s) || seen[s] || party.ContainsCitizenNumber(s) {
			t.Fatalf("%q, %v", s, err)
		}
		seen[s] = true
		for i := range len(s) {
			count[s[i]]++
		}
	}
	// Chi-squared with 35 degrees of freedom: above 100 once in ten million runs.
	// Without the rejection of bytes from 252 on it would be about 290.
	expected, chi := float64(n*20)/36, 0.0
	for _, c := range serialAlphabet {
		d := float64(count[c]) - expected
		chi += d * d / expected
	}
	if chi > 100 {
		t.Errorf("serials aren't uniform: chi-squared %.0f", chi)
	}
}

func TestRandomSerialOfBadSource(t *testing.T) {
	ff := bytes.Repeat([]byte{0xff}, 8*40)
	if s, err := RandomSerial(bytes.NewReader(ff)); err == nil {
		t.Errorf("%q from bytes that must all be rejected", s)
	}
	if _, err := RandomSerial(bytes.NewReader(ff[:39])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source that ends: %v", err)
	}
	// Random bytes that spell a citizen's number are thrown away.
	var number, other [40]byte
	for i, c := range []byte("AB11010519491231002X") {
		number[i] = byte(checkValue(c))
	}
	for i := range other {
		other[i] = byte(i)
	}
	s, err := RandomSerial(io.MultiReader(bytes.NewReader(number[:]), bytes.NewReader(other[:])))
	if s != "0123456789ABCDEFGHIJ" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
}

func FuzzIdentifier(f *testing.F) {
	for _, v := range identifierVectors {
		f.Add(v.text)
		f.Add(strings.ToLower(v.text))
	}
	f.Add("1.2.156.3005.2.....")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseIdentifier(s)
		if err != nil {
			if identifierReason(err) == err.Error() {
				t.Fatalf("an error without reason: %v", err)
			}
			return
		}
		p, err := id.Parse()
		if err != nil || len(id) > maxIdentifier {
			t.Fatalf("%q doesn't parse again: %v", id, err)
		}
		if again, err := ParseIdentifier(string(id)); err != nil || again != id {
			t.Fatalf("%q reads as %q, %v", id, again, err)
		}
		made, err := NewIdentifier(p.Type, party.USCC(p.Authority), p.Serial, p.Version)
		if err == nil && (made == id) == p.CheckMismatch {
			t.Fatalf("read %q, made %q, mismatch %v", id, made, p.CheckMismatch)
		}
	})
}

func BenchmarkNewIdentifier(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		serial, err := RandomSerial(rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := NewIdentifier("11100000000013338W011", "11430000006122244L", serial, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseIdentifier(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseIdentifier(identifierVectors[0].text); err != nil {
			b.Fatal(err)
		}
	}
}
