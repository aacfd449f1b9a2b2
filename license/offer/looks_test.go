package offer

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l looks
		mine := look{party: "p1", license: "a", version: 1}
		want := func(when string, k look, want bool) {
			t.Helper()
			if got := l.recorded(k, time.Now()); got != want {
				t.Errorf("%s: %v", when, got)
			}
		}
		want("nobody looked", mine, false)
		l.add(mine, time.Now())
		want("just now", mine, true)
		for name, other := range map[string]look{
			"another person": {party: "p2", license: "a", version: 1}, "another license": {party: "p1", license: "b", version: 1},
			"another version": {party: "p1", license: "a", version: 2}, "for an organization": {party: "p1", acting: "o", license: "a", version: 1},
			"an offer": {party: "p1", offer: [32]byte{1}},
		} {
			want(name, other, false)
		}
		time.Sleep(looksWithin - time.Second)
		want("within the hour", mine, true)
		time.Sleep(time.Second)
		want("an hour later", mine, false)
		for i := range 3 * maxLooks {
			l.add(look{party: fmt.Sprint(i)}, time.Now())
		}
		if n := len(l.new) + len(l.old); n > maxLooks {
			t.Errorf("%d are remembered", n)
		}
		want("the last of many", look{party: fmt.Sprint(3*maxLooks - 1)}, true)
	})
}
