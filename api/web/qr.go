package web

import (
	"fmt"
	"strings"

	"github.com/piglig/go-qr"
)

// QR is a QR code (ISO/IEC 18004) that a page draws as an image of squares.
type QR struct {
	Size int    // modules of a side, with the quiet zone
	Path string // of an SVG path: the dark modules, in units of one
}

// quiet is how many light modules must be around the code.
const quiet = 4

// QRCode returns the code of a text.
func QRCode(text string) (QR, error) {
	code, err := go_qr.EncodeText(text, go_qr.Medium)
	if err != nil {
		return QR{}, fmt.Errorf("making a QR code: %w", err)
	}
	n := code.Size()
	var b strings.Builder
	for y := range n {
		for x := 0; x < n; x++ {
			from := x
			for x < n && code.Module(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	return QR{n + 2*quiet, b.String()}, nil
}
