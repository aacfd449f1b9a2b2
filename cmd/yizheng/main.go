// Command yizheng is the registry of electronic licenses 电子证照库 and the OpenID
// provider in one binary: the service itself, the operator's commands, which
// work beside a running service, and verification without any service.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes. Those of verify are part of its contract.
const (
	exitOK            = 0
	exitFailed        = 1 // verify: invalid; doctor: something fails
	exitUsage         = 2 // the command line or the configuration is wrong
	exitIndeterminate = 3 // verify: nothing failed, something is unknown
)

// commands is the command line. Settings, which the environment and the YAML
// file know too, are those flags with an environment variable.
type commands struct {
	Config configFile `help:"YAML file with settings, named as the flags are. Flags come first, then the environment, then the file." env:"YIZHENG_CONFIG" placeholder:"FILE"`

	Operator string `help:"The operator's name, which the events of changes keep. Without it: the user of the operating system; with sudo, the user who called it." env:"YIZHENG_OPERATOR" placeholder:"NAME"`

	Lang string `help:"Language of messages: zh, en; auto follows LC_ALL, LC_MESSAGES, LANG. JSON, exit codes and log lines are the same in each." default:"auto" enum:"auto,zh,en" placeholder:"LANG"`

	Serve       serveCmd       `cmd:"" help:"Run the service."`
	Demo        demoCmd        `cmd:"" help:"Run the service with made-up samples in a directory of its own."`
	Participant participantCmd `cmd:"" help:"Connected organizations 接入单位: add, list, rename, update, disable."`
	Person      personCmd      `cmd:"" help:"People and their accounts: add at a counter, list, disable, change the phone, reset the password."`
	Client      clientCmd      `cmd:"" help:"Applications 应用 of participants: add, list, show, update, rotate their secrets, disable."`
	Type        typeCmd        `cmd:"" help:"License types 证照类型: list, show, write, publish, retire."`
	Item        itemCmd        `cmd:"" help:"Service items 事项: list, show, write, publish, retire."`
	Key         keyCmd         `cmd:"" help:"Keys: list, rotate, activate, retire, revoke."`
	Event       eventCmd       `cmd:"" help:"What was done, by whom: list, export."`
	Archive     archiveCmd     `cmd:"" help:"Months of events and access records: export them into files before they are deleted, list, verify, show."`
	CRL         crlCmd         `cmd:"" name:"crl" help:"The root's list of revoked certificates: publish, show."`
	Verify      verifyCmd      `cmd:"" help:"Verify a license's credential, offline. Exit code: 0 valid, 1 invalid, 3 indeterminate."`
	USCC        usccCmd        `cmd:"" name:"uscc" help:"Unified social credit codes 统一社会信用代码: make one for a test, check one."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database's schema up to date."`
	Backup      backupCmd      `cmd:"" help:"Copy database and keys, beside the running service."`
	Restore     restoreCmd     `cmd:"" help:"Make an installation out of a backup, where there is none."`
	Integrity   integrityCmd   `cmd:"" help:"For a database that lost something: accept the loss."`
	Doctor      doctorCmd      `cmd:"" help:"Look at configuration, clock, keys, database and disk, and say what to do."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask the running service whether it is ready."`
	Version     versionCmd     `cmd:"" help:"Show the versions of the program, of Go and of the cryptographic libraries."`
}

// process is what a command has of the process that it runs in.
type process struct {
	ctx      context.Context // ends with SIGINT or SIGTERM
	in       io.Reader
	out, err io.Writer
	actor    string // who acts, for the events
	words    words  // what is said, in the operator's language
}

// exit is an error that decides the exit code.
type exit struct {
	code int
	err  error // nil: everything was said already
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// usage returns an error of whoever wrote the command line or the configuration. Its
// text is a key of the catalogue.
func usage(key string, args ...any) error { return &exit{exitUsage, refuse(key, args...)} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	code := run(&process{ctx: ctx, in: os.Stdin, out: os.Stdout, err: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run runs one command line and returns the exit code.
func run(p *process, args []string) int {
	var c commands
	spoken := language(args)
	p.words = wordsOf(spoken)
	var help bytes.Buffer
	left := -1 // exit code, once the parser has left
	parser, err := kong.New(&c,
		kong.Name(programName),
		kong.Description("Yizheng 一证: the registry of electronic licenses, signed with SM2.\n\nEvery setting can also be given as YIZHENG_… in the environment or in the file of --config."),
		kong.Writers(&help, p.err),
		kong.Exit(func(code int) { left = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 110}),
		kong.Bind(p),
	)
	if err != nil {
		return p.report(err)
	}
	if spoken == chinese {
		translate(parser.Model, readWords("help.zh"), p.words)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	line, err := parser.Parse(args)
	if left >= 0 { // --help was asked for
		if _, err := p.out.Write(p.words.framed(help.Bytes())); err != nil {
			return exitFailed
		}
		return left
	}
	if err != nil {
		p.complain(p.words.usageError(err) + "\n" + p.words.say("usage.more"))
		return exitUsage
	}
	if err := checkOperator(c.Operator); err != nil {
		return p.report(err)
	}
	p.actor = actorID(c.Operator)
	return p.report(line.Run())
}

// report prints an error, once, and returns the exit code for it.
func (p *process) report(err error) int {
	if err == nil {
		return exitOK
	}
	code := exitFailed
	if e, ok := errors.AsType[*exit](err); ok {
		if code = e.code; e.err == nil {
			return code
		}
	}
	p.complain(p.words.explain(err))
	return code
}

// complain prints what is wrong, on standard error.
func (p *process) complain(text string) { fmt.Fprintf(p.err, "%s: %s\n", programName, text) }

// print prints a text of the catalogue as a line.
func (p *process) print(key string, args ...any) { fmt.Fprintln(p.out, p.words.say(key, args...)) }

// programName is what the program calls itself.
const programName = "yizheng"
