package engine

// What this driver's tests do with a group.

// Hold keeps all writers busy, so that what comes waits. release has one of them go on
// with it.
func (g *Group[T]) Hold() (release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.writing > 0 { // one that is about to end would take the first that comes
		g.idle.Wait()
	}
	return g.occupy(g.Writers)
}

// HoldAllButOne keeps all writers busy but one, while none is at work.
func (g *Group[T]) HoldAllButOne() (release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.occupy(groupWriters - 1)
}

// occupy takes the places of writers, under the lock.
func (g *Group[T]) occupy(writers int) (release func()) {
	g.writing = writers
	return func() {
		for range writers {
			g.leave()
		}
	}
}

// Waiting returns how many jobs wait for a writer.
func (g *Group[T]) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}
