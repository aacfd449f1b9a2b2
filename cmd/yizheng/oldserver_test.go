package main_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/cmd/internal/servertest"
)

// TestOldServer starts the service, and asks the doctor, with a PostgreSQL whose own
// version number is another one on its way here: there is no older server to be had.
func TestOldServer(t *testing.T) {
	t.Parallel()
	database := servertest.PostgresURL(t)
	s := startServer(t, serverOptions{DatabaseURL: database})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var number uint32
	if err := conn.QueryRow(t.Context(), "SELECT current_setting('server_version_num')::integer").Scan(&number); err != nil {
		t.Fatal(err)
	}
	inRow := func(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{0, 1, 0, 0, 0, 4}, n) }
	s.Options.DatabaseURL = throughWire(t, database, inRow(number), inRow(130022))
	const says = "PostgreSQL is too old: the server is version 13, and 14 or newer is needed"
	if out, _, code := runProgram(t, "", append([]string{"doctor", "--lang", "en"}, s.Options.settings()...)...); code != 1 || !strings.Contains(out, says) {
		t.Errorf("doctor: exit code %d\n%s", code, out)
	}
	if _, err := tryServer(t, s.Options); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("serve: %v", err)
	}
	if _, err := tryServer(t, serverOptions{Data: filepath.Join(t.TempDir(), "new"), DatabaseURL: s.Options.DatabaseURL}); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("a first start: %v", err)
	}
}

// throughWire returns the database's URL through a wire on which one thing that the
// server says is another one, which is as long.
func throughWire(t *testing.T, address string, said, says []byte) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	server := u.Host
	u.Host = l.Addr().String()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				conn, err := net.Dial("tcp", server)
				if err != nil {
					return
				}
				defer conn.Close()
				go func() { _, _ = io.Copy(conn, client); conn.Close() }()
				for head := make([]byte, 5); ; { // a message at a time
					if _, err := io.ReadFull(conn, head); err != nil {
						return
					}
					message := make([]byte, 1+binary.BigEndian.Uint32(head[1:]))
					copy(message, head)
					if _, err := io.ReadFull(conn, message[5:]); err != nil {
						return
					}
					if _, err := client.Write(bytes.ReplaceAll(message, said, says)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return u.String()
}
