package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// wire is one connection that is kept alive, without all that a client of
// net/http does beside: what loads must cost less than what is loaded.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	host string
	from string // X-Forwarded-For
	out  []byte
}

func dial(t *target, n int) (*wire, error) {
	u, err := url.Parse(t.facts.Issuer)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialTimeout("tcp", t.address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn, in: bufio.NewReaderSize(conn, 32<<10), host: u.Host}
	w.comeFrom(n)
	return w, nil
}

// comeFrom takes an address of the network that is set aside for such (RFC 2544).
func (w *wire) comeFrom(n int) {
	w.from = fmt.Sprintf("198.%d.%d.%d", 18+n>>16&1, n>>8&0xff, n&0xff)
}

// request is one request.
type request struct {
	method, target string
	header         []string // lines
	body           []byte
}

// do sends a request and returns the answer with its body read.
func (w *wire) do(q request) (*http.Response, []byte, error) {
	w.out = append(w.out[:0], q.method...)
	w.out = append(w.out, ' ')
	w.out = append(w.out, q.target...)
	w.out = append(w.out, " HTTP/1.1\r\nHost: "...)
	w.out = append(w.out, w.host...)
	w.out = append(w.out, "\r\nX-Forwarded-For: "...)
	w.out = append(w.out, w.from...)
	for _, line := range q.header {
		w.out = append(w.out, "\r\n"...)
		w.out = append(w.out, line...)
	}
	if q.method != http.MethodGet {
		w.out = append(w.out, "\r\nContent-Length: "...)
		w.out = strconv.AppendInt(w.out, int64(len(q.body)), 10)
	}
	w.out = append(w.out, "\r\n\r\n"...)
	w.out = append(w.out, q.body...)
	if err := w.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, nil, err
	}
	if _, err := w.conn.Write(w.out); err != nil {
		return nil, nil, err
	}
	answer, err := http.ReadResponse(w.in, nil)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	var body bytes.Buffer
	if _, err := io.Copy(&body, answer.Body); err != nil {
		return nil, nil, err
	}
	return answer, body.Bytes(), nil
}

// want is do for a request that has one good answer.
func (w *wire) want(status int, q request) ([]byte, error) {
	answer, body, err := w.do(q)
	if err == nil && answer.StatusCode != status {
		err = fmt.Errorf("%s %s: %s: %.300s", q.method, q.target, answer.Status, string(body))
	}
	return body, err
}

const formHeader = "Content-Type: application/x-www-form-urlencoded"

func basicHeader(id, secret string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}
