package fresh

import "testing"

func TestBounded(t *testing.T) {
	c := NewBounded[int, int](100)
	for i := range 10000 {
		c.Store(i, i)
		if n := len(c.new) + len(c.old); n > 100 {
			t.Fatalf("%d values", n)
		}
		if i%10 == 0 {
			c.Store(-1, 0) // as good as asked for now and then
		}
		if _, ok := c.Load(-1); !ok {
			t.Fatalf("at %d, a value in use was forgotten", i)
		}
	}
}
