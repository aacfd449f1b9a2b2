// Command yizheng-load puts a service under load and measures it: requests a second, how
// long they take, and what processor time of the servers each costs. It is for who develops
// or sizes the service, and is no part of what is shipped. It knows the service as any
// client does, over HTTP, and what a demo says of itself (yizheng demo --json).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// streams are what the program reads from and prints on.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is an error of whoever wrote the command line: exit code 2.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, &streams{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, s *streams, args []string) int {
	var c command
	left := -1 // exit code, once the parser has left
	parser, err := kong.New(&c,
		kong.Name(programName), kong.Description("Put a service under load and measure it."), kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { left = code }), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
	)
	if err == nil {
		_, err = parser.Parse(args)
		if left >= 0 { // --help was asked for
			return left
		}
		if err != nil {
			err = usageError{err}
		}
	}
	if err == nil {
		err = c.run(ctx, s)
	}
	if err == nil {
		return 0
	}
	fmt.Fprintf(s.err, "%s: %v\n", programName, err)
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

const programName = "yizheng-load"
