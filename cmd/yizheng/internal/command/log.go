package command

import (
	"context"
	"io"
	"log/slog"
)

// UTCLog is a log whose lines have their time in UTC, as JSON has.
type UTCLog struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h UTCLog) Handle(ctx context.Context, r slog.Record) error {
	r.Time = r.Time.UTC()
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h UTCLog) WithAttrs(as []slog.Attr) slog.Handler { return UTCLog{h.Handler.WithAttrs(as)} }

// WithGroup implements [slog.Handler].
func (h UTCLog) WithGroup(name string) slog.Handler { return UTCLog{h.Handler.WithGroup(name)} }

// Warnings is the log of a command: what is amiss, as text.
func Warnings(w io.Writer) *slog.Logger {
	return slog.New(UTCLog{slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn})})
}
