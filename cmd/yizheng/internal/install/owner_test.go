package install

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"yizheng.internal/cmd/yizheng/internal/command"
)

// Root is told to go on as the user whose data directory it is; the test can only be
// whole where it is root itself, as in CI.
func TestOwnData(t *testing.T) {
	dir := t.TempDir()
	if err := ownData(dir); err != nil {
		t.Errorf("one's own directory: %v", err)
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if err := ownData(dir); err == nil || !strings.Contains(err.Error(), "sudo -u '#12345'") {
		t.Errorf("another's directory: %v", err)
	}
}

// A command that root runs beside another user's service leaves nothing that the
// service can't read: it refuses.
func TestCommandsOfRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/"+databaseFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	_, err := Settings{Data: dir}.Attach(&command.Process{Ctx: t.Context(), Err: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "sudo -u '#12345'") {
		t.Errorf("root beside another's service: %v", err)
	}
	if info, err := os.Stat(dir + "/" + databaseFile); err != nil || info.Size() != 0 {
		t.Error("it has opened the database")
	}
}

// A command beside a first start that hasn't come to its end neither makes keys nor
// binds the public URL: it waits for nothing and says so.
func TestCommandBesideFirstStart(t *testing.T) {
	ctx := t.Context()
	s := Settings{Data: t.TempDir()}
	attach := func() error {
		_, err := s.Attach(&command.Process{Ctx: ctx, Err: io.Discard})
		return err
	}
	in, err := s.OpenDatabase(ctx, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := in.DB.Admin().Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := attach(); err == nil || !strings.Contains(err.Error(), "there is no installation in") {
		t.Errorf("before the keys are made: %v", err)
	}
	in.URL = "https://license.example.gov"
	if err := in.OpenKeys(ctx); err != nil {
		t.Fatal(err)
	}
	if err := attach(); err == nil || !strings.Contains(err.Error(), "has not been started once to the end") {
		t.Errorf("before the public URL is bound: %v", err)
	}
	if err := errors.Join(in.OpenEphemeral(ctx, "", false), in.Join(ctx, in.URL)); err != nil {
		t.Fatalf("the start goes on: %v", err)
	}
	beside, err := s.Attach(&command.Process{Ctx: ctx, Err: io.Discard})
	if err != nil {
		t.Fatalf("when it is made: %v", err)
	}
	defer beside.Close()
	if beside.URL != in.URL {
		t.Errorf("the command's public URL is %s", beside.URL)
	}
}
