package postgres

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// wire passes connections on to a server and cuts one of them, once, at the piece
// that was asked for: before the server has seen it, or when the server has done
// what it asks and before anybody hears of it.
type wire struct {
	net.Listener
	server string
	wg     sync.WaitGroup

	mu     sync.Mutex
	left   int  // pieces from the client until the cut; less than 0 for none
	unseen bool // whether the server never sees the piece

	said, says string // what is replaced in the server's messages, and by what; as long
}

// newWire returns a wire to the database's server, and the database's URL through it.
func newWire(t *testing.T, address string) (*wire, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l, server: u.Host, left: -1}
	u.Host = l.Addr().String()
	w.wg.Go(w.serve)
	t.Cleanup(func() { l.Close(); w.wg.Wait() })
	return w, u.String()
}

func (w *wire) serve() {
	for {
		client, err := w.Accept()
		if err != nil {
			return
		}
		w.wg.Go(func() {
			defer client.Close()
			server, err := net.Dial("tcp", w.server)
			if err != nil {
				return
			}
			defer server.Close()
			lost := make(chan struct{}) // closed when nobody may hear of the answer
			w.wg.Go(func() {
				defer client.Close()
				defer server.Close()
				w.answers(client, server, lost)
			})
			w.requests(client, server, lost)
		})
	}
}

// requests passes the client's pieces on, each as it is sent.
func (w *wire) requests(client, server net.Conn, lost chan struct{}) {
	piece := make([]byte, 1<<20)
	for {
		n, err := client.Read(piece)
		if err != nil {
			return
		}
		cut, unseen := w.next()
		switch {
		case cut && unseen:
			return
		case cut:
			close(lost)
		}
		if _, err := server.Write(piece[:n]); err != nil {
			return
		}
	}
}

// next counts a piece, and reports whether the connection is cut at it.
func (w *wire) next() (cut, unseen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left < 0 {
		return false, false
	}
	w.left--
	return w.left < 0, w.unseen
}

// cutAt has the connection cut at the piece with that number, from 0.
func (w *wire) cutAt(piece int, unseen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left, w.unseen = piece, unseen
}

// heal takes the cut back, and reports whether it was still to come.
func (w *wire) heal() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	due := w.left >= 0
	w.left = -1
	return due
}

// answers passes the server's messages on until they are lost; then until the
// server is ready for the next query, which it is when all is done.
func (w *wire) answers(client, server net.Conn, lost chan struct{}) {
	const ready = 'Z'
	in := bufio.NewReader(server)
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		message := make([]byte, 1+binary.BigEndian.Uint32(head[1:]))
		copy(message, head)
		if _, err := io.ReadFull(in, message[5:]); err != nil {
			return
		}
		select {
		case <-lost:
			if head[0] == ready {
				return
			}
			continue
		default:
		}
		if _, err := client.Write(w.replaced(message)); err != nil {
			return
		}
	}
}

// replaced returns a message of the server's as the client is to see it.
func (w *wire) replaced(message []byte) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.said == "" {
		return message
	}
	return bytes.ReplaceAll(message, []byte(w.said), []byte(w.says))
}
