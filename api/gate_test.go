package api

import (
	"net"
	"sync"
	"testing"
)

// gate stands before a server: it lets connections through, refuses them, or
// swallows what is sent, as a server does that was stopped by SIGSTOP.
type gate struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	state gateState
	pass  chan struct{} // closed: what is sent goes through
	conns map[net.Conn]bool
}

type gateState int

const (
	gateOpen gateState = iota
	gateShut           // connections are closed, and new ones at once
	gateMute           // connections are taken, and nothing goes through
)

func newGate(t testing.TB, to string) *gate {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	mustOf(t)(err)
	g := &gate{listener: l, to: to, pass: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(g.pass)
	go g.accept()
	t.Cleanup(func() {
		g.set(gateShut)
		_ = l.Close()
	})
	return g
}

func (g *gate) address() string { return g.listener.Addr().String() }

// set changes what the gate does with connections, new and old.
func (g *gate) set(state gateState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == gateMute {
		close(g.pass)
	}
	g.state = state
	switch state {
	case gateMute:
		g.pass = make(chan struct{})
	case gateShut:
		for c := range g.conns {
			_ = c.Close()
		}
		clear(g.conns)
	}
}

func (g *gate) accept() {
	for {
		c, err := g.listener.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		if g.state == gateShut {
			_ = c.Close()
		} else {
			g.conns[c] = true
			go g.join(c)
		}
		g.mu.Unlock()
	}
}

func (g *gate) join(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer s.Close()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
		go func() {
			g.carry(way[1], way[0])
			done <- struct{}{}
		}()
	}
	<-done
}

// carry copies what comes, piece by piece, while the gate lets it through.
func (g *gate) carry(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		g.mu.Lock()
		pass := g.pass
		g.mu.Unlock()
		<-pass
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
