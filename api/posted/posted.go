// Package posted reads the forms that browsers post, strictly and within bounds: urlencoded ones, and those
// that may have files in them.
package posted

import (
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"yizheng.internal/api/problem"
)

// What is wrong with a form.
var (
	ErrMedia = problem.Refuse(http.StatusUnsupportedMediaType, "input", "")  // that is no form, or one that is encoded in another way
	ErrSize  = problem.Refuse(http.StatusRequestEntityTooLarge, "input", "") // it is too large
	ErrForm  = problem.Refuse(http.StatusBadRequest, "input", "")            // it can't be read, or has too many fields
)

const (
	media     = "application/x-www-form-urlencoded"
	mediaFile = "multipart/form-data"

	maxFields = 2000 // fields of a form
	maxParts  = 20   // of one that may have files in it
)

// Read reads a form's body of at most so many bytes. files says that it may be one with files (RFC 7578): their content
// stands under the field's name, in base64 if it isn't ASCII text.
func Read(w http.ResponseWriter, r *http.Request, most int64, files bool) (url.Values, error) {
	got, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	withFiles := files && got == mediaFile && params["boundary"] != ""
	if err != nil || got != media && !withFiles || r.Header.Get("Content-Encoding") != "" {
		return nil, ErrMedia
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return nil, ErrSize
	}
	if withFiles {
		return readParts(multipart.NewReader(strings.NewReader(string(body)), params["boundary"]))
	}
	return Parse(string(body))
}

// Parse reads the fields of a form, or of a query. Errors: ErrForm.
func Parse(body string) (url.Values, error) {
	form, err := url.ParseQuery(body)
	if err != nil {
		return nil, ErrForm
	}
	n := 0
	for name, values := range form {
		if n += len(values); n > maxFields || !utf8.ValidString(name) {
			return nil, ErrForm
		}
		for _, v := range values {
			if !utf8.ValidString(v) {
				return nil, ErrForm
			}
		}
	}
	return form, nil
}

func readParts(r *multipart.Reader) (url.Values, error) {
	form := url.Values{}
	for n := 0; ; n++ {
		p, err := r.NextPart()
		if err == io.EOF {
			return form, nil
		}
		if err != nil {
			return nil, ErrForm
		}
		text, err := io.ReadAll(p)
		name := p.FormName()
		if err != nil || n == maxParts || name == "" || !utf8.ValidString(name) {
			return nil, ErrForm
		}
		switch {
		case p.FileName() != "" && !isText(text):
			form.Add(name, base64.StdEncoding.EncodeToString(text))
		case utf8.Valid(text):
			form.Add(name, string(text))
		default:
			return nil, ErrForm
		}
	}
}

// isText reports whether a file has visible ASCII alone, as PEM, base64 and hexadecimal do.
func isText(text []byte) bool {
	for _, b := range text {
		if b >= 0x7f || b < ' ' && b != '\n' && b != '\r' && b != '\t' {
			return false
		}
	}
	return true
}

// Repeated reports whether a field comes twice and is no list.
func Repeated(form url.Values, lists ...string) bool {
	for name, values := range form {
		if len(values) > 1 && !slices.Contains(lists, name) {
			return true
		}
	}
	return false
}
