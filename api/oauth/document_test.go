package oauth

import (
	"context"
	"sync"
	"testing"
	"time"
)

// Of many that find a document old one makes it anew.
func TestPublishedIsMadeOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	made := 0
	p := &document{media: "application/json", fresh: time.Hour, make: func(context.Context) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		made++
		return made, nil
	}}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if d, err := p.load(t.Context()); err != nil || string(d.body) != "1" {
				t.Errorf("got %v, %v", d, err)
			}
		})
	}
	wg.Wait()
	if made != 1 {
		t.Errorf("made %d times", made)
	}
}
