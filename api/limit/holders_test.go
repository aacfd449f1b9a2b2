package limit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// Who waits for a turn holds up nobody of another client, and no other person.
func TestHolders(t *testing.T) {
	t.Parallel()
	turns := NewHolders(1) // eight in all, a client four
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	var leaves []func()
	for i := range 4 {
		leave, err := turns.Enter(short(), fmt.Sprint("person ", i), "greedy")
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	for name, who := range map[string][2]string{"the client": {"another", "greedy"}, "the person": {"person 1", "modest"}} {
		if _, err := turns.Enter(short(), who[0], who[1]); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s has one turn more: %v", name, err)
		}
	}
	for _, client := range []string{"modest", ""} {
		leave, err := turns.Enter(short(), "another", client)
		if err != nil {
			t.Errorf("another client %q waits: %v", client, err)
			continue
		}
		leave()
	}
	for _, leave := range leaves {
		leave()
	}
	if len(turns.person.crowds)+len(turns.client.crowds)+len(turns.all.inside) != 0 {
		t.Errorf("left over: %v %v %d", turns.person.crowds, turns.client.crowds, len(turns.all.inside))
	}
}
