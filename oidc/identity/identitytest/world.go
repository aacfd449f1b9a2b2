// Package identitytest has what the tests of identity and the packages below it share: stores in
// memory, keys that are made once, a phone, and people. It is for tests alone.
package identitytest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/entry"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/passkey/passkeytest"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/identity/phonecode"
	"yizheng.internal/signing"
	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/vault"
)

// template has keys that are made once, because making keys waits for the disk again and
// again: a keystore, which every test opens, and its records.
var template struct {
	dir        string
	passphrase []byte
	keys       map[signing.KeyID]signing.KeyRecord
}

// Main runs the tests of a package. The package's TestMain calls it.
func Main(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "yizheng-identity-test-")
		if err == nil {
			defer os.RemoveAll(dir)
			err = makeTemplate(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "making the tests' keys:", err)
			return 1
		}
		return m.Run()
	}())
}

func makeTemplate(dir string) error {
	records := newMemory()
	_, err := installation.Open(context.Background(), installation.Config{
		Dir: dir, Records: records, RegistryName: "样例证照库", RegistryUSCC: "11990000000000000D",
	}, time.Now())
	if err != nil {
		return err
	}
	template.dir, template.keys = dir, records.Keys
	if template.passphrase, err = keystore.ReadPassphraseFile(dir + "/keys.pass"); err != nil {
		return err
	}
	keys, err := keystore.Open(dir+"/keys", template.passphrase)
	if err != nil {
		return err
	}
	return keys.GenerateSecret(SecondLookup)
}

// SecondLookup is the id of a lookup key for which there is no record yet.
const SecondLookup signing.KeyID = "lookup-second"

// Messages is a Sender that keeps the messages.
type Messages struct {
	mu    sync.Mutex
	sent  []notice.Message
	Fails error
	Takes time.Duration
}

func (s *Messages) Send(ctx context.Context, m notice.Message) error {
	select {
	case <-time.After(s.Takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Fails == nil {
		s.sent = append(s.sent, m)
	}
	return s.Fails
}

func (s *Messages) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent)
}

// Sent returns all messages.
func (s *Messages) Sent() []notice.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// Last returns the newest message.
func (s *Messages) Last(t testing.TB) notice.Message {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sent) == 0 {
		t.Fatal("no message was sent")
	}
	return s.sent[len(s.sent)-1]
}

// register is an IdentityProofer that knows some people by name.
type register map[string]party.Code

func (r register) Proof(_ context.Context, c identity.Claim) (identity.Proofing, error) {
	if r[c.Name] != c.Code {
		return identity.Proofing{}, &identity.Error{Reason: "not_matched", Detail: "no such person"}
	}
	return identity.Proofing{Level: 2, Method: "register_match", Source: "样例人口库"}, nil
}

// Factors is factor.Service, for a struct that has two services.
type Factors = factor.Service

// Node has identity and the packages below it as one node has them, with cheap hashes.
type Node struct {
	*identity.Service
	*Factors
	*password.Tickets
	Phones         *phonecode.Service // nil without a Sender
	Entry          *entry.Service     // likewise
	Authenticators *authenticator.Service
	Hash           *password.Hasher
	Vault          *vault.Vault
}

// World is a node over stores in memory.
type World struct {
	*Memory
	*Node
	SMS *Messages
}

// These codes are made up: area 990101 is not assigned.
var (
	ZhangCode = party.Code{Type: party.Citizen, Value: "990101199001010035"}
	LiCode    = party.Code{Type: party.Citizen, Value: "990101195512310023"}
	GuestCode = party.Code{Type: party.Passport, Value: "E12345678"}
)

const Password = "竹林深处 bamboo"

// NewWorld returns a world without people.
func NewWorld(t testing.TB) *World {
	t.Helper()
	return NewWorldAt(t, Cheap)
}

// NewWorldAt is NewWorld with another cost of hashes.
func NewWorldAt(t testing.TB, cost password.Config) *World {
	t.Helper()
	w := &World{Memory: newMemory(), SMS: &Messages{}}
	maps.Copy(w.Keys, template.keys)
	w.Node = w.Open(t, func(c *people.Config) { c.Hashing = cost })
	return w
}

// URL is the service's.
const URL = "https://id.example"

// Cheap is the cost of hashes in tests.
var Cheap = password.Config{Memory: 64, Time: 1}

// Open returns another node over the same stores.
func (w *World) Open(t testing.TB, change func(*people.Config)) *Node {
	t.Helper()
	keys, err := keystore.Open(template.dir+"/keys", template.passphrase)
	if err != nil {
		t.Fatal(err)
	}
	rings, err := signing.NewKeyrings(signing.KeyringsConfig{Records: w.Memory, Module: keys})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := vault.Open(t.Context(), rings, keys)
	if err != nil {
		t.Fatal(err)
	}
	c := people.Config{
		Parties: w.Memory, Accounts: w.Memory, Ephemeral: w.Memory, Vault: vault, Sender: w.SMS, Hashing: Cheap, URL: URL,
		Journal: journal.NewRecorder(journal.Config{Log: journal.Provider, Store: w.Memory, Reason: identity.ReasonOf}),
		Proofer: register{"张小䶮": ZhangCode, "李建国": LiCode, "John Smith": GuestCode},
	}
	change(&c)
	p, err := people.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return &Node{p.Service, p.Factors, p.Tickets, p.Phones, p.Entry, p.Authenticators, p.Passwords, vault}
}

// At returns the same world with another node, which has another cost of hashes.
func (w *World) At(t testing.TB, cost password.Config) *World {
	t.Helper()
	return &World{w.Memory, w.Open(t, func(c *people.Config) { c.Hashing = cost }), w.SMS}
}

// Zhang registers 张小䶮 with a login name, a phone and a password.
func (w *World) Zhang(t testing.TB) identity.Account {
	t.Helper()
	a, _, err := w.Register(t.Context(), identity.Registration{
		Name: "张小䶮", Code: ZhangCode, LoginName: "Xiaoyan.Zhang", Phone: "138 0013 8000", Password: Password, Actor: "cli",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Asked()
	return a
}

var Here = netip.MustParseAddr("192.0.2.1")

// Attempt is a try from an unknown device.
func Attempt(login, password string) factor.Attempt {
	return factor.Attempt{Login: login, Password: password, Address: Here, Binding: "browser", Language: "zh-CN", RequestID: "r1"}
}

// From returns an attempt from one of many addresses.
func From(a factor.Attempt, n int) factor.Attempt {
	a.Address = netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
	return a
}

// IsReason checks that an error is an *Error with that reason, or nil if reason is "".
func IsReason(t testing.TB, what string, err error, reason string) {
	t.Helper()
	e, ok := errors.AsType[*identity.Error](err)
	switch {
	case reason == "" && err != nil:
		t.Fatalf("%s: %v", what, err)
	case reason != "" && (!ok || string(e.Reason) != reason):
		t.Fatalf("%s: got %v, want reason %s", what, err, reason)
	}
}

// DisableAccount disables an account, or enables it again, as an operator does.
func (n *Node) DisableAccount(ctx context.Context, _, account string, disabled bool) (identity.Account, error) {
	return n.Change(ctx, account, func(a *identity.Account) error { a.Disable(disabled, ""); return nil })
}

// SendCode begins the proof of the account's phone in a login.
func (n *Node) SendCode(ctx context.Context, account, binding, language, requestID string) (factor.Begun, error) {
	return n.Begin(ctx, factor.PhoneCode, factor.Login{Account: account, Binding: binding, Language: language, RequestID: requestID})
}

// CheckCode finishes the proof of the account's phone in a login.
func (n *Node) CheckCode(ctx context.Context, account, binding, code, requestID string) error {
	p, err := n.Finish(ctx, factor.PhoneCode, factor.Login{Account: account, Binding: binding, RequestID: requestID}, code)
	if (p == factor.Proof{Factor: factor.PhoneCode}) != (err == nil) {
		return fmt.Errorf("the proof is %v, with %w", p, err)
	}
	return err
}

// AddApp adds an app to an account, and returns what shows the app's code.
func (w *World) AddApp(t testing.TB, a identity.Account) func() string {
	t.Helper()
	o := authenticator.Owner{Account: a.ID, Session: "session", AuthTime: time.Now(), Strength: 3, Language: "zh-CN", RequestID: "r"}
	setup, err := w.Authenticators.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	code := func() string { return AppCode(t, setup.URI) }
	if err := w.Authenticators.Add(t.Context(), o, setup.Token, "我的手机", code()); err != nil {
		t.Fatal(err)
	}
	return code
}

// AddPasskey adds a passkey to an account, and returns the authenticator that has it.
func (w *World) AddPasskey(t testing.TB, a identity.Account) *passkeytest.Authenticator {
	t.Helper()
	device := passkeytest.New(URL)
	o := authenticator.Owner{Account: a.ID, Session: "session", AuthTime: time.Now(), Strength: 3, Language: "zh-CN", RequestID: "r"}
	setup, err := w.Authenticators.PreparePasskey(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := device.Create(setup.Options)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Authenticators.AddPasskey(t.Context(), o, setup.Token, "我的手机", answer); err != nil {
		t.Fatal(err)
	}
	return device
}

// MakeCodes makes recovery codes for an account in place of those that it has.
func (w *World) MakeCodes(t testing.TB, a identity.Account) []string {
	t.Helper()
	now, err := w.Account(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	o := authenticator.Owner{Account: a.ID, AuthTime: time.Now(), Strength: 3, Language: "zh-CN", RequestID: "r"}
	made, err := w.Authenticators.MakeRecoveryCodes(t.Context(), o, authenticator.RecoveryID(&now))
	if err != nil {
		t.Fatal(err)
	}
	return made.Codes
}

// AppCode returns what an app shows now that read a URI.
func AppCode(t testing.TB, uri string) string {
	t.Helper()
	key, err := otp.NewKeyFromURL(uri)
	if err != nil {
		t.Fatal(err)
	}
	code, err := totp.GenerateCode(key.Secret(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// RotateLookup makes another lookup key the active one and returns the old one.
func (w *World) RotateLookup(t *testing.T) signing.KeyRecord {
	t.Helper()
	ring, err := w.ListKeys(t.Context(), signing.PurposeLookup)
	if err != nil || len(ring) != 1 {
		t.Fatalf("lookup keys are %v, %v", ring, err)
	}
	old, next := ring[0], ring[0]
	old.State = signing.KeyRetired
	keys := signing.AuthenticRecords(w.Memory, w.Vault.Auth())
	IsReason(t, "retiring", keys.UpdateKeys(t.Context(), old), "")
	next.ID, next.Serial = SecondLookup, old.Serial+1
	IsReason(t, "activating", keys.CreateKey(t.Context(), next), "")
	time.Sleep(10 * time.Second) // until the keyrings read again
	old.Revision++
	return old
}

// RevokeKey makes a key unusable.
func (w *World) RevokeKey(t *testing.T, k signing.KeyRecord) {
	t.Helper()
	k.State = signing.KeyRevoked
	IsReason(t, "revoking", signing.AuthenticRecords(w.Memory, w.Vault.Auth()).UpdateKeys(t.Context(), k), "")
	time.Sleep(10 * time.Second)
}
