package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/storage"
)

type doctorCmd struct {
	settings
	ephemeral
	messaging
	root
	CheckWithin time.Duration `help:"How long reading the database, to see that it is sound, may take; 0: as long as it takes." default:"1m" placeholder:"TIME"`
}

// finding is one line of the doctor's.
type finding struct {
	grade grade
	about string
	text  string
	todo  string // empty if there is nothing to do
}

type grade string

const (
	gradeOK   grade = "ok"
	gradeWarn grade = "warn"
	gradeFail grade = "fail"
)

// examination collects findings.
type examination struct {
	doctorCmd
	words    words
	now      time.Time
	findings []finding
}

// A finding and what there is to do are keys of the catalogue; a text that has none
// stands as it is, such as an error or a command.

func (e *examination) ok(about, key string, args ...any) {
	e.findings = append(e.findings, finding{gradeOK, about, e.said(key, args...), ""})
}
func (e *examination) warn(about, todo, key string, args ...any) {
	e.findings = append(e.findings, finding{gradeWarn, about, e.said(key, args...), e.words.say(todo)})
}
func (e *examination) fail(about, todo, key string, args ...any) {
	e.findings = append(e.findings, finding{gradeFail, about, e.said(key, args...), e.words.say(todo)})
}

// said returns what is found, also where a package says it in a sentence of its own.
func (e *examination) said(key string, args ...any) string {
	text := e.words.say(key, args...)
	if phrase, ok := e.words.phrase(text, nil); ok {
		return phrase
	}
	return text
}

// Run examines the installation. Exit code 1 if something fails; warnings
// alone leave it 0.
func (c *doctorCmd) Run(p *process) error {
	e := &examination{doctorCmd: *c, words: p.words, now: time.Now()}
	e.configuration()
	e.disk()
	e.files()
	e.gateway(p.ctx)
	e.installation(p)
	failed := false
	for _, f := range e.findings {
		fmt.Fprintf(p.out, "%s  %s  %s\n", padded(p.words.say("doctor.grade."+string(f.grade)), 4), padded(p.words.say("doctor.about."+f.about), 13), printable(f.text))
		if f.todo != "" {
			fmt.Fprintf(p.out, "%s  → %s\n", padded("", 19), f.todo)
		}
		failed = failed || f.grade == gradeFail
	}
	if failed {
		return &exit{code: exitFailed}
	}
	return nil
}

func (e *examination) configuration() {
	const about = "configuration"
	if names := unknownVariables(os.Environ()); len(names) > 0 {
		e.warn(about, "doctor.unknown_variables.todo", "doctor.unknown_variables", strings.Join(names, ", "))
	}
	url, err := canonicalURL(e.PublicURL)
	switch {
	case e.PublicURL == "":
		e.warn(about, "doctor.no_url.todo", "doctor.no_url")
	case err != nil:
		e.fail(about, "doctor.see_serve.todo", "%v", err)
	default:
		e.ok(about, "doctor.url", url)
	}
	name, code, err := e.registry()
	switch {
	case err != nil:
		e.fail(about, "doctor.registry.todo", "%v", err)
	case code == placeholderUSCC:
		e.warn(about, "doctor.placeholder.todo", "doctor.placeholder", code)
	default:
		e.ok(about, "doctor.registry", name, code)
	}
}

// Free space below which the doctor warns and fails, in bytes.
const (
	littleSpace = 2 << 30
	noSpace     = 200 << 20
)

func (e *examination) disk() {
	const about = "disk"
	free, err := freeSpace(e.Data)
	switch {
	case err != nil:
		e.fail(about, "doctor.data.todo", "%v", err)
	case free < noSpace:
		e.fail(about, "doctor.no_space.todo", "doctor.free", free>>20, e.Data)
	case free < littleSpace:
		e.warn(about, "doctor.little_space.todo", "doctor.free", free>>20, e.Data)
	default:
		e.ok(about, "doctor.free", free>>20, e.Data)
	}
}

// files looks at the keys' files.
func (e *examination) files() {
	const about = "keys"
	passphrase := e.PassphraseFile
	if passphrase == "" {
		passphrase = filepath.Join(e.Data, "keys.pass")
	}
	if _, err := signing.ReadPassphraseFile(passphrase); err != nil {
		e.fail(about, "doctor.passphrase.todo", "%v", err)
	} else {
		e.ok(about, "doctor.passphrase", passphrase)
	}
	if dir, err := os.Stat(e.Data); err == nil && dir.Mode().Perm()&0o077 != 0 {
		e.warn(about, "chmod 700 "+e.Data, "doctor.readable", e.Data, dir.Mode().Perm())
	}
	root := e.Root
	if root == "" {
		root = filepath.Join(e.Data, "root")
	}
	if _, err := os.Stat(root); err == nil {
		e.warn(about, "doctor.root_here.todo",
			"doctor.root_here", root)
	} else if errors.Is(err, fs.ErrNotExist) {
		e.ok(about, "doctor.root_away")
	}
}

// installation opens everything and looks at it.
func (e *examination) installation(p *process) {
	log := slog.New(slog.DiscardHandler)
	if err := e.present(); err != nil {
		e.fail("database", "", "%v", err)
		return
	}
	in, err := e.openDatabase(p.ctx, log, nil)
	if err != nil {
		e.fail("database", "doctor.database.todo", "%v", err)
		return
	}
	defer in.close()
	if err := in.checkSchema(p.ctx); err != nil {
		e.fail("database", "", "%v", err)
		return
	}
	e.ok("database", "doctor.schema")
	e.writes(p.ctx, in)
	e.soundness(p.ctx, in)
	e.durability(p.ctx, in)
	e.redis(p.ctx, in)
	e.clock(p.ctx, in)
	if err := in.openKeys(p.ctx); err != nil {
		e.fail("keys", "", "%v", err)
		return
	}
	e.keys(p.ctx, in)
	if err := in.joinStored(p.ctx); err != nil {
		e.fail("configuration", "", "%v", err)
		return
	}
	e.ok("configuration", "doctor.bound", in.url)
	e.trust(p.ctx, in)
	e.catalogCodes(p.ctx, in)
	e.integrity(p.ctx, in)
	e.altered(p.ctx, in)
	if folded, err := in.registry.NumbersFolded(p.ctx); err != nil {
		e.fail("licenses", "", "%v", err)
	} else if !folded {
		e.warn("licenses", "doctor.rehash.todo", "doctor.rehash")
	}
}

// writes looks whether the database takes writes. A standby takes none.
func (e *examination) writes(ctx context.Context, in *installation) {
	const about = "database"
	if server, ok := in.db.Admin().(interface {
		Standby(context.Context) (bool, error)
	}); ok {
		switch standby, err := server.Standby(ctx); {
		case err != nil:
			e.fail(about, "doctor.check_database.todo", "%v", err)
			return
		case standby:
			e.fail(about, "doctor.standby.todo", "doctor.standby")
			return
		}
	}
	if err := in.db.Admin().Ping(ctx, true); err != nil {
		e.fail(about, "doctor.disk_rights.todo", "doctor.no_writes", err)
	} else {
		e.ok(about, "doctor.writes")
	}
}

// soundness reads the whole database, as far as there is time.
func (e *examination) soundness(ctx context.Context, in *installation) {
	const about = "database"
	if e.CheckWithin > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.CheckWithin)
		defer cancel()
	}
	err := in.db.Admin().Check(ctx)
	switch {
	case err == nil:
		e.ok(about, "doctor.sound")
	case storage.IsCorrupt(err):
		e.fail(about, "doctor.corrupt.todo", "%v", err)
	case errors.Is(err, context.DeadlineExceeded):
		e.warn(about, "doctor.time.todo", "doctor.partly_sound", e.CheckWithin)
	default:
		e.fail(about, "doctor.disk_rights.todo", "%v", err)
	}
}

// redis looks at the store for what may be lost.
func (e *examination) redis(ctx context.Context, in *installation) {
	const about = "redis"
	if e.RedisURL == "" {
		e.ok(about, "doctor.memory")
	}
	err := in.openEphemeral(ctx, e.RedisURL, false) // which does what logins do, also writes
	differs := false
	if err == nil && e.RedisURL != "" {
		differs, err = otherStore(ctx, in)
	}
	switch {
	case err != nil:
		e.fail(about, "doctor.redis.todo", "%v", err)
	case differs:
		e.fail(about, "doctor.redis_differs.todo", "doctor.redis_differs")
	case e.RedisURL != "":
		e.ok(about, "doctor.redis")
	}
}

// otherStore reports whether the last node that compared stores has another one
// than this command was given.
func otherStore(ctx context.Context, in *installation) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	own, err := storeName(ctx, in.kept)
	if err != nil {
		return false, err
	}
	stored, err := in.db.Licenses().ClaimSetting(ctx, keptSetting, own+" doctor")
	name, _, _ := strings.Cut(stored, " ")
	return err == nil && name != own, err
}

// durability asks a server for the settings that decide whether what was
// answered survives a crash. SQLite's are set by the driver.
func (e *examination) durability(ctx context.Context, in *installation) {
	server, ok := in.db.Admin().(interface {
		SynchronousCommit(context.Context) (string, error)
		FSync(context.Context) (string, error)
		FullPageWrites(context.Context) (string, error)
		DataChecksums(context.Context) (string, error)
	})
	if !ok {
		return
	}
	const about = "durability"
	for _, setting := range []struct {
		name, todo string
		read       func(context.Context) (string, error)
		bad        []string
		grade      func(about, todo, key string, args ...any)
	}{
		{"synchronous_commit", "doctor.synchronous_commit.todo", server.SynchronousCommit, []string{"off", "local"}, e.fail},
		{"fsync", "doctor.fsync.todo", server.FSync, []string{"off"}, e.fail},
		{"data_checksums", "doctor.data_checksums.todo", server.DataChecksums, []string{"off"}, e.warn},
		{"full_page_writes", "doctor.full_page_writes.todo", server.FullPageWrites, []string{"off"}, e.warn},
	} {
		value, err := setting.read(ctx)
		bad := false
		for _, b := range setting.bad {
			bad = bad || value == b
		}
		switch {
		case err != nil:
			e.fail(about, "doctor.check_database.todo", "%v", err)
		case bad:
			setting.grade(about, setting.todo, "doctor.setting", setting.name, value)
		default:
			e.ok(about, "doctor.setting", setting.name, value)
		}
	}
}

// certificateSoon is how long before its end a certificate is to be renewed.
const certificateSoon = 90 * 24 * time.Hour

// keys looks at the active keys: that they are held here, and certified for a
// while yet.
func (e *examination) keys(ctx context.Context, in *installation) {
	const about = "keys"
	records, err := in.db.Keys().ListKeys(ctx, "")
	if err != nil {
		e.fail(about, "doctor.check_database.todo", "%v", err)
		return
	}
	active := 0
	for _, record := range records {
		if record.State != signing.KeyActive {
			continue
		}
		k, err := in.keys.Keyrings().ByID(ctx, record.ID)
		if err != nil {
			e.fail(about, "", "doctor.key_error", record.ID, err)
			continue
		}
		active++
		if k.Public != nil && k.Signer == nil && k.Purpose != signing.PurposeRoot {
			e.fail(about, e.words.say("doctor.key_elsewhere.todo", k.ID), "doctor.key_elsewhere", k.ID)
		}
		if len(k.Certificates) > 0 {
			e.certificate(k)
		}
	}
	for _, p := range []signing.Purpose{signing.PurposeStatus, signing.PurposeAttestation, signing.PurposeAccessToken, signing.PurposeIDToken, signing.PurposeIDTokenRSA} {
		if !slices.ContainsFunc(records, func(k signing.KeyRecord) bool { return k.Purpose == p && k.State == signing.KeyActive }) {
			e.fail(about, "yizheng key rotate "+string(p), "doctor.no_key", p)
		}
	}
	e.ok(about, "doctor.keys", active)
}

func (e *examination) certificate(k *signing.Key) {
	const about = "certificates"
	todo := "yizheng key rotate " + string(k.Purpose)
	if k.Owner != "" {
		todo += " --owner " + k.Owner
	}
	if k.Purpose == signing.PurposeRoot {
		todo = "doctor.root_expires.todo"
	}
	until := k.Certificates[0].NotAfter
	switch left := until.Sub(e.now); {
	case left <= 0:
		e.fail(about, todo, "doctor.expired", k.ID, until.Format(time.DateOnly))
	case left < certificateSoon:
		e.warn(about, todo, "doctor.expires", k.ID, until.Format(time.DateOnly))
	default:
		e.ok(about, "doctor.valid", k.ID, until.Format(time.DateOnly))
	}
}
