package verify_test

import (
	"strings"
	"testing"

	"yizheng.internal/license/credential"
)

// fullWidth writes ASCII as forms in full width do.
func fullWidth(s string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r <= '~' {
			return r - '!' + '！'
		}
		return r
	}, s)
}

// What is printed is found however it is typed.
func TestPrintedIsFound(t *testing.T) {
	w := newWorld(t)
	out := w.IssueOne(t, "A-1")
	id, code := string(out.Identifier), out.VerificationCode
	half := len(id) / 2
	for name, typed := range map[string][2]string{
		"full width":         {fullWidth(id), fullWidth(code)},
		"ideographic spaces": {"\u3000" + id[:half] + "\u3000" + id[half:], code[:4] + "\u3000" + code[4:]},
		"NBSP":               {id[:half] + "\u00a0" + id[half:], code[:4] + "\u00a0" + code[4:] + "\u00a0"},
		"line breaks":        {id[:half] + "\r\n  " + id[half:] + "\n", code[:2] + "\n" + code[2:]},
		"small letters":      {strings.ToLower(id), strings.ToLower(code)},
		"Chinese full stops": {strings.ReplaceAll(id, ".", "。"), code[:4] + "－" + code[4:]},
		"byte order mark":    {"\ufeff" + id, "\ufeff" + code},
		"dashes":             {id, code[:4] + "–" + code[4:]},
		"zero width spaces":  {id[:half] + "\u200b" + id[half:], code[:4] + "\u200b" + code[4:]},
	} {
		v, err := w.Verifications.VerifyIdentifier(t.Context(), typed[0], typed[1], "somewhere")
		if err != nil || v.Verdict != credential.Valid {
			t.Errorf("%s: %s, %v", name, v.Verdict, err)
		}
	}
	third := len(out.Credential) / 3
	for name, token := range map[string]string{
		"byte order mark": "\ufeff" + out.Credential + "\r\n", "lines": out.Credential[:third] + "\r\n\t" + out.Credential[third:], "spaces": "\u3000" + out.Credential + "\u00a0",
	} {
		if v := w.Verifications.Verify(t.Context(), token); v.Verdict != credential.Valid {
			t.Errorf("a credential with %s: %+v", name, v)
		}
	}
	if v := w.Verifications.Verify(t.Context(), "\u200b"+out.Credential); v.Verdict == credential.Valid {
		t.Error("what no file and no paste brings is taken out of a credential")
	}
}

// What was mistyped is no verdict on a license.
func TestMistypedIsNoVerdict(t *testing.T) {
	w := newWorld(t)
	out := w.IssueOne(t, "A-1")
	id, code := string(out.Identifier), out.VerificationCode
	last := byte('0')
	if id[len(id)-1] == last {
		last = '1'
	}
	other := strings.Replace(id, ".001.", ".002.", 1)
	for name, test := range map[string][3]string{
		"no identifier":      {"nonsense", code, "identifier_form"},
		"empty":              {"", code, "identifier_form"},
		"too few parts":      {id[:len(id)-2], code, "identifier_form"},
		"a department wrong": {strings.Replace(id, authority, "11430000006122244M", 1), code, "identifier_form"},
		"check character":    {id[:len(id)-1] + string(last), code, "identifier_check_digit"},
		"another version":    {other, code, "identifier_check_digit"},
		"short code":         {id, code[:7], "verification_code_form"},
		"code with U":        {id, "UUUUUUUU", "verification_code_form"},
		"no code":            {id, " ", "verification_code_form"},
	} {
		v, err := w.Verifications.VerifyIdentifier(t.Context(), test[0], test[1], "somewhere")
		if reason(t, err) != test[2] || v.Verdict != "" {
			t.Errorf("%s: %s, %v", name, v.Verdict, err)
		}
		if err != nil && (strings.Contains(err.Error(), code) || strings.Contains(err.Error(), id[20:])) {
			t.Errorf("%s: the refusal echoes what was typed: %v", name, err)
		}
	}
	// What may be right is: wrong codes and unknown identifiers stay alike.
	v, err := w.Verifications.VerifyIdentifier(t.Context(), id, "00000000", "somewhere")
	if err != nil || v.Verdict != credential.Invalid || v.Checks[0].Reason != credential.ReasonNotFound {
		t.Errorf("a wrong code: %+v, %v", v, err)
	}
	// Mistyping the identifier is guessing too.
	for range 10 {
		if _, err := w.Verifications.VerifyIdentifier(t.Context(), other, "00000000", "guesser"); err == nil {
			t.Fatal("found")
		}
	}
	if _, err := w.Verifications.VerifyIdentifier(t.Context(), other, code, "guesser"); reason(t, err) != "verification_limited" {
		t.Errorf("after ten tries: %v", err)
	}
}
