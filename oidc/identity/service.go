package identity

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// Config says what a Service works with.
type Config struct {
	Parties   Parties
	Accounts  Accounts
	Ephemeral Ephemeral
	Vault     *signing.Vault
	Sender    Sender                            // of one-time codes; nil: there is no second factor
	Proofer   IdentityProofer                   // nil: nobody can be proofed
	Record    func(context.Context, Fact) error // writes an event; required
	Hashing   int                               // password hashes computed at a time; default: the number of processors, at most 4
	Log       *slog.Logger                      // default: discards
}

// Fact is something that happened to an account or a party, for the events.
// Nothing in it is personal.
type Fact struct {
	Action    string // such as account.create or login.refuse
	Actor     string // account id, "cli", or empty for somebody unknown
	Object    string // account or party id
	Result    string // "ok", or the reason code of a refusal
	RequestID string
}

// Sender delivers a message to a phone. The demo's shows them on a page.
type Sender interface {
	// Send hands a message over. Text is what the person reads.
	Send(ctx context.Context, m Message) error
}

// Message is one text message.
type Message struct {
	Phone string // E.164
	Text  string // complete, in the person's language
	Code  string // the one-time code in it, for services that fill templates of their own
}

// IdentityProofer checks a claimed identity against a register.
type IdentityProofer interface {
	// Proof returns the evidence that there is such a person, or a *Error with
	// the reason not_matched. An error of another kind: the register doesn't answer.
	Proof(ctx context.Context, name string, code party.Code) (Proofing, error)
}

// Service is the rules of who somebody is. Safe for concurrent use.
type Service struct{ c Config }

// NewService checks c and returns a Service.
func NewService(c Config) (*Service, error) { return &Service{c}, nil }

// Registration is what is said of a new account and its person.
type Registration struct {
	Name      string
	Code      party.Code // such as a citizen number 公民身份号码
	LoginName string     // may be empty
	Phone     string     // may be empty
	Password  string     // may be empty: then a setup ticket is needed
	RequestID string
	Actor     string
}

// Register proofs a person and makes party and account. If the party is there
// already, from a license's holder or an earlier try, it is used. Refusals are
// *Error.
func (s *Service) Register(ctx context.Context, r Registration) (Account, Party, error) {
	return Account{}, Party{}, errNotBuilt
}

// Attempt is one try to log in with a password.
type Attempt struct {
	Login     string // login name, phone or code number, as typed
	Password  string
	Device    string     // the device's own token, from DeviceToken, if the browser has one; else empty
	Address   netip.Addr // of the client
	RequestID string
}

// CheckPassword returns the account that login and password name. An unknown
// account, one without a password, a disabled one and a wrong password are one
// *Error, login_refused, after the same work. When there were too many tries,
// it is *Error with the reason too_many_tries and Retry set: limits are by
// account and device, and by account and address for unknown devices, so that
// nobody can lock out another person.
func (s *Service) CheckPassword(ctx context.Context, a Attempt) (Account, error) {
	return Account{}, errNotBuilt
}

// DeviceToken returns a token for the browser of somebody who has logged in,
// which makes it a known device of the account; it is no credential.
func (s *Service) DeviceToken(ctx context.Context, account string) (string, error) {
	return "", errNotBuilt
}

// SentCode says where a one-time code went.
type SentCode struct {
	Phone  string        // masked, for the page
	Expiry time.Duration // from now
	Again  time.Duration // after which another one may be asked for
}

// SendCode sends a one-time code of six digits to the account's phone, bound to
// a login: binding is a secret of that login, such as its session's id. Asked
// again before Again is over it sends nothing and answers the same. *Error:
// no_phone, too_many_codes (Retry is set), no_second_factor.
func (s *Service) SendCode(ctx context.Context, account, binding, language, requestID string) (SentCode, error) {
	return SentCode{}, errNotBuilt
}

// CheckCode checks a code for the account and the binding. Five tries, five
// minutes, one use. *Error: code_wrong, code_expired, too_many_tries.
func (s *Service) CheckCode(ctx context.Context, account, binding, code, requestID string) error {
	return errNotBuilt
}

// Account returns an account by its id, or ErrNotFound.
func (s *Service) Account(ctx context.Context, id string) (Account, error) {
	return Account{}, errNotBuilt
}

// Party returns a party by its id, or ErrNotFound.
func (s *Service) Party(ctx context.Context, id string) (Party, error) {
	return Party{}, errNotBuilt
}

// SetupTicket makes a ticket, good for 15 minutes and one use, with which the
// account's password is set, and returns it. Any earlier one ends. It is stored
// as a hash.
func (s *Service) SetupTicket(ctx context.Context, actor, account string) (string, error) {
	return "", errNotBuilt
}

// SetPassword spends a setup ticket and sets the account's password. *Error:
// ticket_invalid (unknown, spent and expired alike), password_short,
// password_long, password_common, password_personal. The ticket is spent only
// with a good password.
func (s *Service) SetPassword(ctx context.Context, ticket, password, requestID string) (Account, error) {
	return Account{}, errNotBuilt
}

// DisableAccount keeps an account from logging in, or lets it again.
func (s *Service) DisableAccount(ctx context.Context, actor, account string, disabled bool) (Account, error) {
	return Account{}, errNotBuilt
}

var errNotBuilt = errors.New("not built yet")
