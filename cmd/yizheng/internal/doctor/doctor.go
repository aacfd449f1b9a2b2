// Package doctor examines an installation, and says of each finding what to do: settings,
// disk, clock, database, keys and certificates, and what others need of it. It changes nothing.
package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/signing/keystore"
)

// Config says what is examined.
type Config struct {
	install.Settings
	install.Ephemeral
	install.Messaging
	install.Proofing
	install.Upstreams
	install.Proving
	install.Certificates
	install.RootStore
	CheckWithin time.Duration // for reading the database; 0: as long as it takes
	Unknown     []string      // variables of the environment that no setting has
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
	Config
	words    texts.Words
	now      time.Time
	findings []finding
}

// A finding and what there is to do are keys of the catalogue; a text that has none
// stands as it is, such as an error or a command.

func (e *examination) ok(about, key string, args ...any) {
	e.findings = append(e.findings, finding{gradeOK, about, e.said(key, args...), ""})
}

func (e *examination) warn(about, todo, key string, args ...any) {
	e.findings = append(e.findings, finding{gradeWarn, about, e.said(key, args...), e.words.Say(todo)})
}

func (e *examination) fail(about, todo, key string, args ...any) {
	e.findings = append(e.findings, finding{gradeFail, about, e.said(key, args...), e.words.Say(todo)})
}

// said returns what is found, also where a package says it in a sentence of its own.
func (e *examination) said(key string, args ...any) string {
	text := e.words.Say(key, args...)
	if phrase, ok := e.words.Phrase(text, nil); ok {
		return phrase
	}
	return text
}

// Examine examines the installation. Exit code 1 if something fails; warnings
// alone leave it 0.
func Examine(p *command.Process, c Config) error {
	e := &examination{Config: c, words: p.Words, now: time.Now()}
	none := e.Present()
	if none != nil { // said first, for most of the rest follows from it
		e.fail("database", "", "%v", none)
	}
	e.configuration()
	e.disk()
	e.files()
	e.gateway(p.Ctx)
	e.proofing(p.Ctx)
	e.upstreams(p.Ctx)
	certificates(p.Ctx, e)
	if none == nil {
		e.installation(p)
	}
	failed := false
	for _, f := range e.findings {
		fmt.Fprintf(p.Out, "%s  %s  %s\n", command.Padded(p.Words.Say("doctor.grade."+string(f.grade)), 4), command.Padded(p.Words.Say("doctor.about."+f.about), 13), command.Printable(f.text))
		if f.todo != "" {
			fmt.Fprintf(p.Out, "%s  → %s\n", command.Padded("", 19), f.todo)
		}
		failed = failed || f.grade == gradeFail
	}
	if failed {
		return &texts.Exit{Code: texts.ExitFailed}
	}
	return nil
}

func (e *examination) configuration() {
	const about = "configuration"
	if names := e.Unknown; len(names) > 0 {
		e.warn(about, "doctor.unknown_variables.todo", "doctor.unknown_variables", strings.Join(names, ", "))
	}
	url, err := install.CanonicalURL(e.PublicURL)
	switch {
	case e.PublicURL == "":
		e.warn(about, "doctor.no_url.todo", "doctor.no_url")
	case err != nil:
		e.fail(about, "doctor.see_serve.todo", "%v", err)
	default:
		e.ok(about, "doctor.url", url)
	}
	name, code, err := e.Registry()
	switch {
	case err != nil:
		e.fail(about, "doctor.registry.todo", "%v", err)
	case code == install.PlaceholderUSCC:
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
	if _, err := keystore.ReadPassphraseFile(passphrase); err != nil {
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
func (e *examination) installation(p *command.Process) {
	log := slog.New(slog.DiscardHandler)
	in, err := e.OpenDatabase(p.Ctx, log, nil)
	if err != nil {
		e.fail("database", "doctor.database.todo", "%v", err)
		return
	}
	defer in.Close()
	if in.Outside.Believed, err = e.Believed(); err != nil {
		e.fail("proving", "doctor.see_serve.todo", "%v", err)
	}
	if in.Outside.Lawful, err = e.Lawful(); err != nil {
		e.fail("proving", "doctor.see_serve.todo", "%v", err)
	}
	if err := in.CheckSchema(p.Ctx); err != nil {
		e.fail("database", "", "%v", err)
		return
	}
	e.ok("database", "doctor.schema")
	e.writes(p.Ctx, in)
	e.soundness(p.Ctx, in)
	e.durability(p.Ctx, in)
	e.redis(p.Ctx, in)
	e.clock(p.Ctx, in)
	if err := in.OpenKeys(p.Ctx); err != nil {
		e.fail("keys", "", "%v", err)
		return
	}
	e.keys(p.Ctx, in)
	if err := in.JoinStored(p.Ctx); err != nil {
		e.fail("configuration", "", "%v", err)
		return
	}
	e.ok("configuration", "doctor.bound", in.URL)
	e.trust(p.Ctx, in)
	e.catalogCodes(p.Ctx, in)
	proving(p.Ctx, e, in)
	e.integrity(p.Ctx, in)
	e.altered(p.Ctx, in)
	vacant(p.Ctx, e, in)
	if folded, err := in.Library.Lookups.NumbersFolded(p.Ctx); err != nil {
		e.fail("licenses", "", "%v", err)
	} else if !folded {
		e.warn("licenses", "doctor.rehash.todo", "doctor.rehash")
	}
}
