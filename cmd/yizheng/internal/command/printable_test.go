package command

import (
	"testing"
)

// The terminal shows what a credential says, and does nothing that it says.
func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"周样例䶮 𬱖": "周样例䶮 𬱖", "\ue863 private": "\ue863 private",
		"a\x1b[31mb": `a\x1b[31mb`, "a\nb": `a\nb`, "a\u202eb": `a\u202eb`, "\x7f": `\x7f`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q shows as %q, want %q", in, got, want)
		}
	}
}
