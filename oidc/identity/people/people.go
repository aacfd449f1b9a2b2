// Package people assembles package identity and the packages below it, and gives each what it
// uses.
package people

import (
	"log/slog"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/entry"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/onetime"
	"yizheng.internal/oidc/identity/passkey"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/identity/phonecode"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/oidc/identity/trail"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/signing/vault"
)

// Config says what People work with.
type Config struct {
	Parties   identity.Parties
	Accounts  identity.Accounts
	Ephemeral ephemeral.Store
	Vault     *vault.Vault
	Sender    notice.Sender            // sends one-time codes; nil: none are sent
	SMSPerDay int64                    // as [phonecode.Config].PerDay
	Proofer   identity.IdentityProofer // nil: nobody can be proofed
	Unproofed bool                     // as [entry.Config].Unproofed
	URL       string                   // the public URL, of which passkeys are; empty: there are none
	Journal   intake.Journal           // required
	Hashing   password.Config          // what hashes of passwords cost
	Sources   intake.Sources           // systems whose accounts are taken in; nil: none are
	Links     intake.Links             // likewise
	Events    trail.Events             // what was recorded about accounts; nil: nobody is shown what happened to theirs
	Changes   registrar.Store          // likewise
	Acting    acting.Store             // who may act for whom; nil: nobody acts for others
	Registry  acting.Registry          // what licenses prove of that; nil: nothing
	Upstreams upstream.Config          // of it Providers, Outside and Spend; without Providers nobody logs in with another one
	Log       *slog.Logger             // default: discards
}

// People has the rules of who somebody is. Safe for concurrent use.
type People struct {
	*identity.Service                        // parties and accounts
	Factors           *factor.Service        // checks what people log in with
	Phones            *phonecode.Service     // logs people in with their phone; nil without a Sender
	Entry             *entry.Service         // lets people in who can't log in; nil without a Sender
	Authenticators    *authenticator.Service // adds, names and removes them
	Tickets           *password.Tickets      // lets people set a password
	Passwords         *password.Hasher
	Intake            *intake.Service    // takes in accounts of other systems; nil without Sources
	Registrar         *registrar.Service // authorities' changes to people; nil without Sources
	Trail             *trail.Service     // tells people what happened to their accounts; nil without Events
	Acting            *acting.Service    // who may act for whom; nil without a store of it
	Upstreams         *upstream.Service  // logs people in with other providers; nil without any
}

// New checks c and returns People.
func New(c Config) (*People, error) {
	p := &People{Passwords: password.New(c.Hashing)}
	var err error
	p.Service, err = identity.NewService(identity.Config{
		Parties: c.Parties, Accounts: c.Accounts, Vault: c.Vault, Passwords: p.Passwords, Proofer: c.Proofer, Journal: c.Journal,
	})
	if err != nil {
		return nil, err
	}
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var passkeys *passkey.Service
	if c.URL != "" {
		if passkeys, err = passkey.New(passkey.Config{URL: c.URL, Vault: c.Vault, Ephemeral: c.Ephemeral}); err != nil {
			return nil, err
		}
	}
	notices := notice.New(c.Sender, c.Journal, log)
	p.Factors, err = factor.New(factor.Config{
		People: p.Service, Passwords: p.Passwords, Ephemeral: c.Ephemeral, Vault: c.Vault, Passkeys: passkeys, Sender: c.Sender, Notices: notices,
		Journal: c.Journal, Log: log,
	})
	if err != nil {
		return nil, err
	}
	p.Authenticators, err = authenticator.New(authenticator.Config{
		People: p.Service, Factors: p.Factors, Notices: notices, Vault: c.Vault, Passkeys: passkeys, Journal: c.Journal,
	})
	if err != nil {
		return nil, err
	}
	if u := c.Upstreams; len(u.Providers) > 0 {
		u.URL, u.People, u.Authenticators, u.Notices, u.Ephemeral, u.Vault, u.Journal, u.Log = c.URL, p.Service, p.Authenticators, notices, c.Ephemeral, c.Vault, c.Journal, log
		if p.Upstreams, err = upstream.New(u); err != nil {
			return nil, err
		}
	}
	p.Tickets = password.NewTickets(password.TicketConfig{People: p.Service, Passwords: p.Passwords, Notices: notices, Journal: c.Journal})
	if c.Sender != nil {
		if err := p.byPhone(&c, notices, log); err != nil {
			return nil, err
		}
	}
	if c.Events != nil {
		if p.Trail, err = trail.New(trail.Config{Events: c.Events, Log: log}); err != nil {
			return nil, err
		}
	}
	if c.Acting != nil {
		if err := p.represent(&c, notices, log); err != nil {
			return nil, err
		}
	}
	if c.Sources == nil {
		return p, nil
	}
	return p, p.takeIn(&c)
}

// represent adds the rules of who may act for whom.
func (p *People) represent(c *Config, notices *notice.Notices, log *slog.Logger) (err error) {
	p.Acting, err = acting.New(acting.Config{Store: c.Acting, People: p.Service, Registry: c.Registry, Vault: c.Vault, Journal: c.Journal, Notices: notices, Log: log})
	return err
}

// takeIn adds what works with other systems' people.
func (p *People) takeIn(c *Config) (err error) {
	p.Intake, err = intake.New(intake.Config{
		Sources: c.Sources, Links: c.Links, People: p.Service, Passwords: p.Passwords, Vault: c.Vault, Journal: c.Journal,
	})
	if err != nil {
		return err
	}
	p.Registrar, err = registrar.New(registrar.Config{Store: c.Changes, People: p.Service, Intake: p.Intake, Journal: c.Journal})
	return err
}

// byPhone adds what begins with a code that is sent to a phone.
func (p *People) byPhone(c *Config, notices *notice.Notices, log *slog.Logger) (err error) {
	counters := tries.New(c.Ephemeral, c.Vault, log)
	p.Phones, err = phonecode.New(phonecode.Config{
		People: p.Service, Tries: counters, Codes: onetime.New(counters, c.Ephemeral, c.Vault, log), Vault: c.Vault, Sender: c.Sender,
		Journal: c.Journal, Log: log, PerDay: c.SMSPerDay, Prove: p.Factors.ProvePhone,
	})
	if err != nil {
		return err
	}
	p.Entry, err = entry.New(entry.Config{
		People: p.Service, Phones: p.Phones, Tickets: p.Tickets, Tries: counters, Notices: notices,
		Proofer: c.Proofer, Unproofed: c.Unproofed, Prove: p.Factors.ProvePhone, Journal: c.Journal, Log: log,
	})
	return err
}
