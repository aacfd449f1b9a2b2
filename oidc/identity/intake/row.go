package intake

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// Reason says why a row was not taken: a word in snake_case that never changes.
type Reason string

// The reasons of this package, and of a registration in package identity.
const (
	RecordInvalid   Reason = "record_id_invalid"
	RecordDiffers   Reason = "record_differs"
	RecordTwice     Reason = "duplicate_record"
	CodeTwice       Reason = "duplicate_code"
	PhoneTwice      Reason = "duplicate_phone"
	LoginTwice      Reason = "duplicate_login_name"
	LevelInvalid    Reason = "level_invalid"
	LevelTooHigh    Reason = "level_too_high"
	DateInvalid     Reason = "date_invalid"
	PasswordUnknown Reason = "password_unknown"
	NameLost        Reason = "name_invalid"
	AccountExists   Reason = Reason(identity.ReasonAccountExists)
	TypeUnknown     Reason = "code_type_unknown"
	CodeInvalid     Reason = "code_invalid"
	PhoneInvalid    Reason = "phone_invalid"
	LoginInvalid    Reason = "login_name_invalid"
	NameDiffers     Reason = "name_differs"
	CodeTaken       Reason = "code_taken"
	PhoneTaken      Reason = "phone_taken"
	LoginTaken      Reason = "login_name_taken"
	RecordAltered   Reason = "record_altered"   // a record to which the row leads isn't as it was written
	Formula         Reason = "formula"          // like the reader's: the name begins as a formula does
	Rounded         Reason = "number_imprecise" // like the reader's: the record's id was a number
)

// Refusal says why a row was not taken. It echoes no value.
type Refusal struct {
	Reason Reason
	Detail string // one sentence: what is wrong and what to do; it echoes no value either
	First  Place  // of a duplicate: the row that was first
}

// Error returns the reason and what to do.
func (r *Refusal) Error() string { return string(r.Reason) + ": " + r.Detail }

func refuse(r Reason, detail string) error { return &Refusal{Reason: r, Detail: detail} }

// Fields are the names of a row's fields, in the order of [Row].
var Fields = []string{"record_id", "name", "code_type", "code", "phone", "login_name", "level", "proofed_at", "password"}

// Place is where a row stands, for naming it beside another.
type Place struct {
	File int // which of the import's files, from 0
	Line int // in it, from 1; 0: nowhere
}

// Row is a row as it stands in a file.
type Row struct {
	Place    Place
	Record   string // its id in the source
	Name     string
	CodeType string // empty: 111
	Code     string
	Phone    string
	Login    string
	Level    string // empty: the import's
	Proofed  string // a date; empty: not known
	Password string // a hash in modular form; empty: none
}

// Checked is a row that passed every check that needs no store. Only [Import.Check] makes one.
type Checked struct {
	registration identity.Registration
	hash         identity.PasswordHash // as Foreign read it
	record       string
	person       uint64   // a hash of the code
	content      []string // what its digest covers
}

// codeTypes are words by which systems name types of documents; others are those of the standard.
var codeTypes = map[string]party.CodeType{
	"": party.Citizen, "身份证": party.Citizen, "居民身份证": party.Citizen, "二代身份证": party.Citizen, "身份证号": party.Citizen,
	"护照": party.Passport, "普通护照": party.Passport, "因私护照": party.Passport,
	"港澳通行证": party.HongKongMacaoPermit, "港澳居民来往内地通行证": party.HongKongMacaoPermit, "回乡证": party.HongKongMacaoPermit,
	"台湾通行证": party.TaiwanPermit, "台湾居民来往大陆通行证": party.TaiwanPermit, "台胞证": party.TaiwanPermit,
}

// codeType returns the type of a document by its code or a word.
func codeType(text string) (party.CodeType, bool) {
	if t, ok := codeTypes[text]; ok {
		return t, true
	}
	for _, t := range []party.CodeType{
		party.Citizen, party.MilitaryOfficer, party.ArmedPoliceOfficer, party.Soldier, party.ArmedPoliceSoldier, party.MilitaryCivilian, party.ArmedPoliceCivilian,
		party.DiplomaticPassport, party.ServicePassport, party.PublicPassport,
	} {
		if text == t.Name() {
			return t, true
		}
	}
	return party.CodeType(text), party.CodeType(text).Known()
}

// exponent is what spreadsheets show of long numbers, such as 1.23457E+17.
var exponent = regexp.MustCompile(`^[0-9](\.[0-9]+)?E\+[0-9]{2,3}$`)

// check checks a row by itself.
func (i *Import) check(r Row) (c Checked, err error) {
	if c.record = strings.TrimSpace(r.Record); c.record == "" || utf8.RuneCountInString(c.record) > 64 || !party.Visible(c.record) || !utf8.ValidString(c.record) {
		return c, refuse(RecordInvalid, "the record's id has 1 to 64 visible characters")
	}
	if exponent.MatchString(c.record) {
		return c, refuse(Rounded, "a spreadsheet made a number with an exponent of the record's id: its last digits are lost")
	}
	if lost(r.Name) {
		return c, refuse(NameLost, "characters of the name were lost, probably because it went through another encoding")
	}
	if name := strings.TrimSpace(r.Name); name != "" && strings.ContainsRune("=+-@", rune(name[0])) {
		return c, refuse(Formula, "the name begins as a formula does, or is one")
	}
	if exponent.MatchString(strings.TrimSpace(r.Code)) || exponent.MatchString(strings.TrimSpace(r.Phone)) {
		return c, refuse(Rounded, "a spreadsheet made a number with an exponent of the document's number or the phone: its last digits are lost")
	}
	kind, ok := codeType(strings.TrimSpace(r.CodeType))
	if !ok {
		return c, refuse(TypeUnknown, "the document's type isn't a code of GB/T 36903 annex A, or a word that is known for one")
	}
	level, err := i.level(strings.TrimSpace(r.Level))
	if err != nil {
		return c, err
	}
	at, err := proofedAt(strings.TrimSpace(r.Proofed))
	if err != nil {
		return c, err
	}
	c.registration, err = identity.Registration{
		Name: r.Name, Code: party.Code{Type: kind, Value: r.Code}, LoginName: strings.TrimSpace(r.Login), Phone: strings.TrimSpace(r.Phone), Actor: i.actor,
		Proofing: &identity.Proofing{Level: level, Method: i.method, Source: i.Source.Name, At: at},
	}.Checked()
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return c, &Refusal{Reason: Reason(e.Reason), Detail: e.Detail}
	}
	if err != nil {
		return c, err
	}
	password := strings.TrimSpace(r.Password)
	if password != "" {
		if c.hash, ok = i.s.c.Passwords.Foreign(password); !ok {
			return c, refuse(PasswordUnknown, "the password's hash has a form that isn't known, or costs too much to check")
		}
	}
	n := c.registration
	day := ""
	if !at.IsZero() {
		day = party.DateOf(at).String()
	}
	c.content = []string{n.Name, string(n.Code.Type), n.Code.Value, n.Phone, n.LoginName, strings.TrimSpace(r.Level), day, password}
	return c, nil
}

// lost reports whether a name has what stands where characters were lost: question marks, or
// what U+FFFD becomes when UTF-8 is read as GBK.
func lost(name string) bool {
	return strings.ContainsAny(name, "?？\uFFFD") || strings.Contains(name, "锟斤拷")
}

// level returns a row's proofing level, which must not be above the source's highest.
func (i *Import) level(text string) (int, error) {
	if text == "" {
		return i.defaultLevel, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 3 || len(text) != 1 {
		return 0, refuse(LevelInvalid, "the level is 1, 2 or 3")
	}
	if n > i.Source.Level {
		return 0, refuse(LevelTooHigh, "the source's records have no such level: see yizheng person source")
	}
	return n, nil
}

// proofedAt returns the beginning of the day of the proofing, or the zero time if it isn't known.
func proofedAt(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	china := time.FixedZone("UTC+8", 8*60*60)
	for _, day := range []string{"2006-1-2", "2006/1/2", "2006.1.2", "20060102", "2006年1月2日", time.RFC3339} {
		for _, clock := range []string{"", " 15:04:05", " 15:04"} {
			t, err := time.ParseInLocation(day+clock, text, china)
			if err != nil {
				continue
			}
			if t = t.In(china); t.After(time.Now()) || t.Year() < 1949 {
				return t, refuse(DateInvalid, "the date of the proofing is in the future, or before 1949")
			}
			return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, china).UTC(), nil
		}
	}
	return time.Time{}, refuse(DateInvalid, "the date of the proofing is written as 2026-11-28, 2026/11/28, 20261128 or 2026年11月28日, with or without a time")
}
