package storage

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"

	"yizheng.internal/license/library"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/signing/highwater"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres"
	"yizheng.internal/storage/retention"
	"yizheng.internal/storage/sqlite"
)

// Options is what Open and OpenEphemeral need beyond the URL.
type Options struct {
	Log  *slog.Logger      // default: none
	Step func(name string) // called before each step of a commit, for tests that stop the program there; default: none
	// Patient has OpenEphemeral succeed although Redis doesn't answer yet.
	Patient bool
	// Terms say when months of events and access records go, which Database.Run
	// deletes. Default: never.
	Terms retention.Terms
}

// Open opens the database that a URL names. It does not migrate it. The URL is
// one of
//
//	sqlite:PATH              a file, relative or absolute
//	file:PATH, file:///PATH  the same
//	postgres://…, postgresql://…
//
// No error echoes the URL, which may hold a password.
func Open(ctx context.Context, rawURL string, o Options) (Database, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	scheme, rest, found := strings.Cut(rawURL, ":")
	if !found {
		return nil, errors.New("the database URL has no scheme: it begins with sqlite: or postgres://")
	}
	switch strings.ToLower(scheme) {
	case "sqlite":
		return openSQLite(ctx, rest, o)
	case "file":
		path, err := filePath(rawURL)
		if err != nil {
			return nil, err
		}
		return openSQLite(ctx, path, o)
	case "postgres", "postgresql":
		db, err := postgres.Open(ctx, postgres.Config{URL: rawURL, Log: o.Log, Step: o.Step, Terms: o.Terms})
		if err != nil {
			return nil, err
		}
		return postgresDatabase{db}, nil
	}
	// What stands before the colon may be anything, also a secret: it isn't shown.
	return nil, errors.New("the database URL has an unknown scheme: it begins with sqlite: or postgres://")
}

func openSQLite(ctx context.Context, path string, o Options) (Database, error) {
	if path == "" || strings.HasSuffix(path, "/") {
		return nil, errors.New("the database URL names no file: it has the form sqlite:PATH")
	}
	if strings.HasPrefix(path, ":") {
		return nil, errors.New("the database must be a file: SQLite's databases in memory would lose what was answered")
	}
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path, Log: o.Log, Step: o.Step, Terms: o.Terms})
	if err != nil {
		return nil, err
	}
	return sqliteDatabase{db}, nil
}

// filePath returns the path of a file URL, which has no host and no query: what
// SQLite would read there is not for the URL to say.
func filePath(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", errors.New("the database URL is malformed: it has the form file:///PATH, with special characters percent-encoded")
	}
	if u.Host != "" && u.Host != "localhost" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", errors.New("the database URL has more than a path: it has the form file:///PATH")
	}
	path := u.Path
	if u.Opaque != "" { // file:relative/path
		if path, err = url.PathUnescape(u.Opaque); err != nil {
			return "", errors.New("the database URL is malformed: a percent sign is not followed by two hexadecimal digits")
		}
	}
	return filepath.FromSlash(path), nil
}

// This package imports the drivers, so they can't name its interfaces. Their methods return
// their own types, which these methods return as interfaces.

type sqliteDatabase struct{ db *sqlite.DB }

func (d sqliteDatabase) Licenses() library.Stores      { return d.db.Licenses() }
func (d sqliteDatabase) Provider() provider.Stores     { return d.db.Provider() }
func (d sqliteDatabase) Journal() journal.Store        { return d.db.Journal() }
func (d sqliteDatabase) Keys() Keys                    { return d.db.Keys() }
func (d sqliteDatabase) Admin() Admin                  { return d.db }
func (d sqliteDatabase) HighWater() highwater.Store    { return d.db.HighWater() }
func (d sqliteDatabase) Run(ctx context.Context) error { return d.db.Run(ctx) }
func (d sqliteDatabase) Close() error                  { return d.db.Close() }

type postgresDatabase struct{ db *postgres.DB }

func (d postgresDatabase) Licenses() library.Stores      { return d.db.Licenses() }
func (d postgresDatabase) Provider() provider.Stores     { return d.db.Provider() }
func (d postgresDatabase) Journal() journal.Store        { return d.db.Journal() }
func (d postgresDatabase) Keys() Keys                    { return d.db.Keys() }
func (d postgresDatabase) Admin() Admin                  { return d.db }
func (d postgresDatabase) HighWater() highwater.Store    { return d.db.HighWater() }
func (d postgresDatabase) Run(ctx context.Context) error { return d.db.Run(ctx) }
func (d postgresDatabase) Close() error                  { return d.db.Close() }
