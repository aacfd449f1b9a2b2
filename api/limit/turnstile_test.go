package limit

import (
	"errors"
	"testing"
	"time"
)

// The turnstile lets in as many as it says, then those who wait, in order, and
// turns away the rest.
func TestTurnstile(t *testing.T) {
	t.Parallel()
	gate := NewTurnstile(1, 1)
	leave, err := gate.Enter(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan func())
	go func() {
		leave, err := gate.Enter(t.Context(), 1)
		if err != nil {
			t.Error(err)
		}
		second <- leave
	}()
	for len(gate.waiting) == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := gate.Enter(t.Context(), 1); !errors.Is(err, ErrBusy) {
		t.Errorf("a third one: %v", err)
	}
	leave()
	(<-second)()
	if n := gate.bytes.Load(); n != 0 || len(gate.inside) != 0 || len(gate.waiting) != 0 {
		t.Errorf("%d bytes are counted still", n)
	}
	leave, err = gate.Enter(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	if _, err := gate.Enter(t.Context(), maxWaitingBytes+1); !errors.Is(err, ErrBusy) {
		t.Errorf("a large one: %v", err)
	}
}
