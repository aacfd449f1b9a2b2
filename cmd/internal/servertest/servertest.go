// Package servertest gives the tests of programs a database and a Redis of the servers that
// .ci/with-servers starts.
package servertest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// PostgresURL returns the URL of an empty database that nobody else has. The
// test fails where there is no server: make test starts one.
func PostgresURL(t testing.TB) string {
	t.Helper()
	server := os.Getenv("YIZHENG_TEST_POSTGRES_URL")
	if server == "" {
		t.Fatal("there is no PostgreSQL: run the tests by make test, or .ci/with-servers go test …")
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	name := "yizheng_cmd_" + strings.ToLower(rand.Text()[:12])
	execute := func(ctx context.Context, statement string) {
		conn, err := pgx.Connect(ctx, server)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Error(err)
		}
	}
	execute(t.Context(), "CREATE DATABASE "+name)
	t.Cleanup(func() { execute(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)") })
	u.Path = "/" + name
	return u.String()
}

// RedisURL returns the URL of the tests' Redis. Keys there are unguessable, so
// nobody need have it alone.
func RedisURL(t testing.TB) string {
	t.Helper()
	server := os.Getenv("YIZHENG_TEST_REDIS_URL")
	if server == "" {
		t.Fatal("there is no Redis: run the tests by make test, or .ci/with-servers go test …")
	}
	return server
}
