// Command yizheng is the registry of electronic licenses 电子证照库 and the OpenID
// provider in one binary: the service itself, the operator's commands, which
// work beside a running service, and verification without any service.
package main

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"yizheng.internal/cmd/yizheng/internal/appoint"
	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/enroll"
	"yizheng.internal/cmd/yizheng/internal/events"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
)

// commands is the command line. Settings, which the environment and the YAML
// file know too, are those flags with an environment variable.
type commands struct {
	Config install.ConfigFile `help:"YAML file with settings, named as the flags are. Flags come first, then the environment, then the file." env:"YIZHENG_CONFIG" placeholder:"FILE"`

	Operator string `help:"The operator's name, which the events of changes keep. Without it: the user of the operating system; with sudo, the user who called it." env:"YIZHENG_OPERATOR" placeholder:"NAME"`

	Lang string `help:"Language of messages: zh, en; auto follows LC_ALL, LC_MESSAGES, LANG. JSON, exit codes and log lines are the same in each." default:"auto" enum:"auto,zh,en" placeholder:"LANG"`

	Serve          serveCmd                  `cmd:"" help:"Run the service."`
	Demo           demoCmd                   `cmd:"" help:"Run the service with made-up samples in a directory of its own."`
	Participant    enroll.ParticipantCmd     `cmd:"" help:"Connected organizations 接入单位: add, list, rename, update, disable."`
	Person         enroll.PersonCmd          `cmd:"" help:"People and their accounts: add at a counter, list, disable, change the phone, reset the password."`
	Officer        appoint.OfficerCmd        `cmd:"" help:"Officers 工作人员 of participants: appoint the first administrators by two operators, list, dismiss."`
	Representation appoint.RepresentationCmd `cmd:"" help:"Who may act for whom 代理关系: enter what you checked, list, end."`
	Client         enroll.ClientCmd          `cmd:"" help:"Applications 应用 of participants: add, list, show, update, rotate their secrets, disable."`
	Type           typeCmd                   `cmd:"" help:"License types 证照类型: list, show, write, publish, retire."`
	Item           itemCmd                   `cmd:"" help:"Service items 事项: list, show, write, publish, retire."`
	Key            keyCmd                    `cmd:"" help:"Keys: list, rotate, activate, retire, revoke."`
	Event          events.EventCmd           `cmd:"" help:"What was done, by whom: list, export."`
	Archive        events.ArchiveCmd         `cmd:"" help:"Months of events and access records: export them into files before they are deleted, list, verify, show."`
	CRL            crlCmd                    `cmd:"" name:"crl" help:"The root's list of revoked certificates: publish, show."`
	Verify         verifyCmd                 `cmd:"" help:"Verify a license's credential, offline. Exit code: 0 valid, 1 invalid, 3 indeterminate."`
	USCC           usccCmd                   `cmd:"" name:"uscc" help:"Unified social credit codes 统一社会信用代码: make one for a test, check one."`
	Migrate        migrateCmd                `cmd:"" help:"Bring the database's schema up to date."`
	Backup         backupCmd                 `cmd:"" help:"Copy database and keys, beside the running service."`
	Restore        restoreCmd                `cmd:"" help:"Make an installation out of a backup, where there is none."`
	Integrity      integrityCmd              `cmd:"" help:"For a database that lost something: accept the loss."`
	Doctor         doctorCmd                 `cmd:"" help:"Look at configuration, clock, keys, database and disk, and say what to do."`
	Healthcheck    healthcheckCmd            `cmd:"" help:"Ask the running service whether it is ready."`
	Version        versionCmd                `cmd:"" help:"Show the versions of the program, of Go and of the cryptographic libraries."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	code := run(&command.Process{Ctx: ctx, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run runs one command line and returns the exit code.
func run(p *command.Process, args []string) int {
	var c commands
	spoken := texts.Language(args)
	p.Words = texts.WordsOf(spoken)
	var help bytes.Buffer
	left := -1 // exit code, once the parser has left
	parser, err := kong.New(&c,
		kong.Name(command.ProgramName),
		kong.Description("Yizheng 一证: the registry of electronic licenses, signed with SM2.\n\nEvery setting can also be given as YIZHENG_… in the environment or in the file of --config."),
		kong.Writers(&help, p.Err),
		kong.Exit(func(code int) { left = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 110}),
		kong.Bind(p),
	)
	if err != nil {
		return p.Report(err)
	}
	if spoken == texts.Chinese {
		texts.Translate(parser.Model, texts.Read("help.zh"), p.Words)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	line, err := parser.Parse(args)
	if left >= 0 { // --help was asked for
		if _, err := p.Out.Write(p.Words.Framed(help.Bytes())); err != nil {
			return texts.ExitFailed
		}
		return left
	}
	if err != nil {
		p.Complain(p.Words.UsageError(err) + "\n" + p.Words.Say("usage.more"))
		return texts.ExitUsage
	}
	if err := install.CheckOperator(c.Operator); err != nil {
		return p.Report(err)
	}
	p.Actor = install.ActorID(c.Operator)
	p.Unknown = install.UnknownVariables(parser.Model.Node, os.Environ())
	return p.Report(line.Run())
}
