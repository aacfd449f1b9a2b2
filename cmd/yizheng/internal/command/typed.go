package command

import (
	"io"
	"strings"

	"yizheng.internal/cmd/yizheng/internal/texts"
)

// maxTyped is the longest line that is read of what command lines should not show, in bytes.
const maxTyped = 1024

// Typed returns what a flag says, or for - the line on standard input.
func Typed(p *Process, text string) (string, error) {
	if text != "-" {
		return text, nil
	}
	line, err := io.ReadAll(io.LimitReader(p.In, maxTyped+1))
	if err != nil {
		return "", err
	}
	if len(line) > maxTyped {
		return "", texts.Usage("person.typed", maxTyped)
	}
	return strings.TrimSpace(string(line)), nil
}
