package highwater

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// TestFoundWhileRead: what is found to be lost while the file with earlier findings is read is
// named beside those, here and after a restart.
func TestFoundWhileRead(t *testing.T) {
	m := memory{}
	f := &findings{memory: m, log: slog.New(slog.DiscardHandler)}
	f.lose([]loss{{text: "found here"}})
	f.restore([]string{"found there", "and there"})
	if want := []string{"found there", "and there", "found here"}; !slices.Equal(f.named(), want) {
		t.Errorf("named are %q, want %q", f.named(), want)
	}
	if err := f.refused(); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "found there, and 2 more") {
		t.Errorf("refuses with %v", err)
	}
	f.restore([]string{"found there", "and there"})
	if n := len(f.named()); n != 3 {
		t.Errorf("read twice there are %d", n)
	}
	f.lose([]loss{{text: "later"}})
	if file, err := m.Remembered(lostName); err != nil || strings.Count(string(file), "\n") != 3 {
		t.Errorf("the file has %q, %v", file, err)
	}
}
