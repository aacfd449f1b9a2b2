package texts

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/schema"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
)

// refused is an error of a command. Its text is a key of the catalogue, so that the
// operator reads it in their language.
type refused struct {
	key  string
	args []any
}

// Refuse returns an error with a text of the catalogue. An argument that is an error
// is wrapped.
func Refuse(key string, args ...any) error { return &refused{key, args} }

// englishWords is what errors say to whoever asks for no language, such as the log.
var englishWords = sync.OnceValue(func() Words { return WordsOf(English) })

// Error returns the English text.
func (e *refused) Error() string { return englishWords().Say(e.key, e.args...) }

// Unwrap returns the errors among the arguments.
func (e *refused) Unwrap() []error {
	var wrapped []error
	for _, a := range e.args {
		if err, ok := a.(error); ok {
			wrapped = append(wrapped, err)
		}
	}
	return wrapped
}

// Word is a code, such as a state, for which the catalogue may have a word. Without one, the
// code itself is shown.
type Word struct{ kind, code string }

// WordOf returns the word of a code.
func WordOf(kind, code string) Word { return Word{kind, code} }

// State is the word of a state.
func State[S ~string](code S) Word { return Word{"state", string(code)} }

// Word returns the text for a word.
func (w Words) Word(t Word) string {
	if text, ok := w[t.kind+"."+t.code]; ok {
		return text
	}
	return t.code
}

// Explain returns an error's text in the operator's language. What a reason code or
// the catalogue's phrases have no text for stands as it is, named as technical.
func (w Words) Explain(err error) string {
	switch e := err.(type) {
	case nil:
		return ""
	case *refused:
		return w.Say(e.key, e.args...)
	case *Exit:
		return w.Explain(e.Err)
	}
	if text, ok := w.reason(err); ok {
		return text
	}
	if all := joined(err); len(all) > 0 {
		var texts []string
		for _, one := range all {
			texts = append(texts, w.Explain(one))
		}
		return strings.Join(texts, "\n")
	}
	if w[LanguageKey] == English {
		return err.Error() + w.violations(err)
	}
	if text, ok := w.Phrase(err.Error(), err); ok {
		return text
	}
	// The errors that wrap a known one have no text of their own. The known one says enough.
	if e := known(err); e != nil {
		return w.Explain(e)
	}
	return w.Say("error.technical", err.Error())
}

// joined returns the errors of [errors.Join], and none of an error that wraps
// several in a sentence.
func joined(err error) []error {
	e, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	all := e.Unwrap()
	texts := make([]string, 0, len(all))
	for _, one := range all {
		texts = append(texts, one.Error())
	}
	if strings.Join(texts, "\n") != err.Error() {
		return nil
	}
	return all
}

// known returns the first error in a chain that has a text of its own, or nil.
func known(err error) error {
	if e, ok := errors.AsType[*refused](err); ok {
		return e
	}
	if e, ok := errors.AsType[*refusal.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*oidc.RegistrationError](err); ok {
		return e
	}
	return nil
}

// reason returns the text of an error that has a reason code, with the code beside
// it. The catalogue has such texts where the error's own is in another language.
func (w Words) reason(err error) (text string, ok bool) {
	code, detail := "", ""
	switch e := err.(type) {
	case *refusal.Error:
		code, detail = string(e.Reason), e.Detail
	case *identity.Error:
		code, detail = string(e.Reason), e.Detail
	case *oidc.RegistrationError:
		code, detail = e.Reason, e.Detail
	case *schema.Error:
		code = e.Reason
	case *party.CodeError:
		code = e.Reason
	case *party.NameError:
		code = e.Reason
	case *party.NamesError:
		code = e.Reason
	default:
		return "", false
	}
	text, ok = w["reason."+code]
	if !ok {
		return "", false
	}
	if more, ok := w.Phrase(detail, nil); ok {
		text = more // the sentence says more than the code
	}
	text = w.Say("error.reason", text, code)
	if cause := cause(err); cause != nil {
		text = w.Say("error.because", text, cause)
	}
	return text + w.violations(err), true
}

// cause returns the refusal of a code or name below an error, which says more.
func cause(err error) error {
	inner := errors.Unwrap(err)
	if e, ok := errors.AsType[*party.CodeError](inner); ok {
		return e
	}
	if e, ok := errors.AsType[*party.NameError](inner); ok {
		return e
	}
	return nil
}

// violations returns what exactly the registry found wrong, a line each.
func (w Words) violations(err error) string {
	e, ok := errors.AsType[*refusal.Error](err)
	if !ok {
		return ""
	}
	var b strings.Builder
	for _, v := range e.Violations {
		at := schema.PrintablePointer(v.Pointer)
		if at == "" {
			at = "/"
		}
		fmt.Fprintf(&b, "\n  %s %s", at, w.Say("error.reason", w.message(v), v.Keyword))
	}
	return b.String()
}

// message returns what a violation says.
func (w Words) message(v schema.Violation) string {
	if text, ok := w.Phrase(v.Message, nil); ok {
		return text
	}
	if text, ok := w["reason."+v.Keyword]; ok {
		return text
	}
	return v.Message
}
